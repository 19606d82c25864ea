/**
 * The thread of early-look.ts: watches each directory, then looks at all that stands in it. It loads little, so that it is at work while the
 * daemon still loads its modules.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readFileSync, watch } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { directoryDigest } from '../sync/directory-digest.ts'
import type { PathKey } from '../sync/ids.ts'
import { createIgnore, isIgnoreText, type IgnoreRules } from '../sync/ignore.ts'
import { joinPath, ROOT } from '../sync/path.ts'
import type { EarlyAnswer, EarlyDirectory, EarlyRequest, EarlyThreadData } from './early-look.ts'
import { eventFlood } from './event-flood.ts'
import { MARKER_NAME, OWN_DIR } from './layout.ts'
import { standingIn } from './standing-in.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants
/** For so long nobody is heard, and no event is taken. */
const TURN_MS = 10
/** A disk that takes longer for a name is left to who asks it sixteen names at once. */
const SLOW_MS = 0.5
/** Fewer names say nothing of the disk. */
const TELLING = 64
/** Of the watches that a user may have; the daemon's own watch of the same directory counts as another. */
const SHARE_OF_WATCHES = 1 / 16
const DEFAULT_WATCHES = 8192
/** A watch is some 2 KB here. */
const MAX_WATCHES = 10_000
const MAX_RULES_BYTES = 1024 * 1024

const port = parentPort
const { roots, worthCount } = workerData as EarlyThreadData
const changed = new Set<string>()
let isDoubtful = false
let room = Math.min(MAX_WATCHES, watchLimit() * SHARE_OF_WATCHES)
let turned = performance.now()

eventFlood().add(() => (isDoubtful = true))
port?.on('message', async ({ id }: EarlyRequest) => {
  // What happened before the question waits in the kernel's queue, which one whole turn of the event loop empties.
  await turn()
  await turn()
  answer({ id, changed: isDoubtful ? null : [...changed] })
})
for (const root of roots) await walk(root).catch(() => undefined) // what cannot be read is told by who reads it

async function walk(root: string): Promise<void> {
  if (!existsSync(`${root}/${OWN_DIR}/${MARKER_NAME}`)) return
  const queue: PathKey[] = [ROOT]
  let rules: IgnoreRules | null = null
  let device: bigint | null = null
  for (let next = 0; next < queue.length; next++) {
    const path = queue[next] as PathKey
    const fd = openDirectory(root, path)
    if (fd === null) continue
    try {
      const found = lookAt(fd, path, device)
      if (found === null) return
      device ??= found.device
      rules ??= rulesAt(fd)
      for (const name of found.directories) {
        const child = joinPath(path, name)
        if (!rules.ignored(child, true)) queue.push(child)
      }
    } finally {
      closeSync(fd)
    }
    if (performance.now() - turned > TURN_MS) await turn()
  }
}

/** Null if it is no directory any more, or may not be read. */
function openDirectory(root: string, path: PathKey): number | null {
  try {
    return path === ROOT ? openSync(root, O_RDONLY | O_DIRECTORY) : openSync(`${root}/${path}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch {
    return null
  }
}

/** Null: the disk lets its callers wait. Nothing is found on another device than `device`. */
function lookAt(fd: number, path: PathKey, device: bigint | null): { readonly device: bigint; readonly directories: readonly string[] } | null {
  const { dev, ino } = fstatSync(fd, { bigint: true })
  if (device !== null && dev !== device) return { device, directories: [] }
  const key = `${dev}:${ino}`
  watchDirectory(fd, key)
  // From here on all that happens to it is heard of.
  const { ctimeNs } = fstatSync(fd, { bigint: true })
  const began = performance.now()
  const { standing, directories, looked, isWhole } = standingIn(`/proc/self/fd/${fd}`, dev, path === ROOT ? OWN_DIR : null)
  if (looked >= TELLING && performance.now() - began > looked * SLOW_MS) return null
  const count = standing.length
  if (isWhole && count >= worthCount) answer({ key, ctimeNs, digest: directoryDigest(standing), count, directories })
  return { device: dev, directories: directories.map(({ name }) => name) }
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
  if (room-- <= 0) throw new Error('no more may be watched early')
  const watcher = watch(`/proc/self/fd/${fd}`, () => {
    eventFlood().count()
    changed.add(key)
  })
  watcher.on('error', () => (isDoubtful = true))
}

function answer(message: EarlyAnswer | EarlyDirectory): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, no window
  port?.postMessage(message)
}

async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
  turned = performance.now()
}

function watchLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8')) || DEFAULT_WATCHES
  } catch {
    return DEFAULT_WATCHES
  }
}
