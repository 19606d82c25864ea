/**
 * The thread of early-look.ts: watches each directory, then looks at all that stands in it. It loads little, so that it is at work while the
 * daemon still loads its modules. Directories are opened as roots.ts does it: from the one they are in, none through a symlink, none on
 * another mount.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readFileSync, statfsSync, watch } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { directoryDigest } from '../sync/directory-digest.ts'
import type { PathKey } from '../sync/ids.ts'
import { createIgnore, isIgnoreText, type IgnoreRules } from '../sync/ignore.ts'
import { joinPath, ROOT } from '../sync/path.ts'
import type { EarlyAnswer, EarlyDirectory, EarlyRequest, EarlyThreadData } from './early-look.ts'
import { eventFlood } from './event-flood.ts'
import { MARKER_NAME, OWN_DIR } from './layout.ts'
import { mountOf } from './mount-of.ts'
import { standingIn } from './standing-in.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
/** For so long nobody is heard, and no event is taken. */
const TURN_MS = 10
/** A disk that takes longer for a name is left to who asks it sixteen names at once. */
const SLOW_MS = 0.5
/** Fewer names say nothing of the disk. */
const TELLING = 64
/** Each level holds a descriptor. */
const MAX_DEPTH = 64
/** Of the watches that a user may have; the daemon's own watch of the same directory counts as another. */
const SHARE_OF_WATCHES = 1 / 16
const DEFAULT_WATCHES = 8192
/** A watch is some 2 KB here. */
const MAX_WATCHES = 10_000
const MAX_RULES_BYTES = 1024 * 1024
/** As statfs(2) names ext2 to ext4, XFS, btrfs, F2FS, ZFS, bcachefs, tmpfs and overlayfs: what is written there is told to who watches, since nobody else writes there. */
const LOCAL: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x01021994, 0x794c7630])

interface Tree {
  readonly device: bigint
  readonly mount: string | null
  readonly rules: IgnoreRules
}

const port = parentPort
const { roots, worthCount } = workerData as EarlyThreadData
const changed = new Set<string>()
const state = { isDoubtful: false, isOver: false, room: Math.min(MAX_WATCHES, watchLimit() * SHARE_OF_WATCHES), turned: performance.now() }

eventFlood().add(() => (state.isDoubtful = true))
port?.on('message', async ({ id }: EarlyRequest) => {
  // What happened before the question waits in the kernel's queue, which one whole turn of the event loop empties.
  await turn()
  await turn()
  answer({ id, changed: state.isDoubtful ? null : [...changed] })
})
for (const root of roots) await walk(root).catch(() => undefined) // what cannot be read is told by who reads it

async function walk(root: string): Promise<void> {
  if (!existsSync(`${root}/${OWN_DIR}/${MARKER_NAME}`) || !LOCAL.has(statfsSync(root).type)) return
  const fd = openSync(root, O_RDONLY | O_DIRECTORY)
  try {
    await enter({ device: fstatSync(fd, { bigint: true }).dev, mount: mountOf(fd), rules: rulesAt(fd) }, fd, ROOT, 0)
  } finally {
    closeSync(fd)
  }
}

async function enter(tree: Tree, fd: number, path: PathKey, depth: number): Promise<void> {
  const names = lookAt(tree, fd, path)
  if (performance.now() - state.turned > TURN_MS) await turn()
  for (const name of depth < MAX_DEPTH ? names : []) {
    if (state.isOver) return
    const child = joinPath(path, name)
    const below = tree.rules.ignored(child, true) ? null : openDirectory(`/proc/self/fd/${fd}/${name}`)
    if (below === null) continue
    try {
      if (fstatSync(below, { bigint: true }).dev === tree.device && mountOf(below) === tree.mount) await enter(tree, below, child, depth + 1)
    } finally {
      closeSync(below)
    }
  }
}

/** Null if it is no directory any more, or may not be read. */
function openDirectory(path: string): number | null {
  try {
    return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch {
    return null
  }
}

/** @returns the names of the directories in it. */
function lookAt({ device }: Tree, fd: number, path: PathKey): readonly string[] {
  const key = `${device}:${fstatSync(fd, { bigint: true }).ino}`
  try {
    watchDirectory(fd, key)
  } catch {
    state.isOver = true // no more can be watched
    return []
  }
  // From here on all that happens to it is heard of.
  const { ctimeNs } = fstatSync(fd, { bigint: true })
  const began = performance.now()
  try {
    const { standing, directories, looked, isWhole, isShared } = standingIn(`/proc/self/fd/${fd}`, device, path === ROOT ? OWN_DIR : null)
    state.isOver = looked >= TELLING && performance.now() - began > looked * SLOW_MS
    const count = standing.length
    // What is written to a file under a name that it has elsewhere is told there.
    if (isWhole && !isShared && count >= worthCount) answer({ key, ctimeNs, digest: directoryDigest(standing), count, directories })
    return directories.map(({ name }) => name)
  } catch {
    return [] // it may be listed and not entered
  }
}

/** What is ignored is not looked at. Throws where the rules cannot be read. */
function rulesAt(root: number): IgnoreRules {
  const directory = `/proc/self/fd/${root}`
  const texts = readdirSync(directory).filter(isIgnoreText).map((name) => {
    const fd = openSync(`${directory}/${name}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const stat = fstatSync(fd)
      if (!stat.isFile() || stat.size > MAX_RULES_BYTES) throw new Error(`${name} is not read early`)
      return readFileSync(fd, 'utf8')
    } finally {
      closeSync(fd)
    }
  })
  return createIgnore(texts)
}

/** By its descriptor: what is watched is what is looked at. Throws where no more can be watched. */
function watchDirectory(fd: number, key: string): void {
  if (state.room-- <= 0) throw new Error('no more may be watched early')
  const watcher = watch(`/proc/self/fd/${fd}`, () => {
    eventFlood().count()
    changed.add(key)
  })
  watcher.on('error', () => (state.isDoubtful = true))
}

function answer(message: EarlyAnswer | EarlyDirectory): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, no window
  port?.postMessage(message)
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
  state.turned = performance.now()
}

function watchLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8')) || DEFAULT_WATCHES
  } catch {
    return DEFAULT_WATCHES
  }
}
