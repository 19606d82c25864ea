/** What was looked at before the daemon was there: it is not looked at again, and whatever changed since, at whatever moment, is told all the same. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type Assert } from 'brittle'
import type { Workers } from '../../base/workers.ts'
import { EarlyLook } from '../../daemon/disk/early-look.ts'
import type { Directory } from '../../daemon/disk/roots.ts'
import { directoryDigest } from '../../daemon/sync/directory-digest.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { openFolder, scan, told, type Folder } from './tree.ts'

/** A directory of fewer is not worth a word. */
const FILES = 20
const DIRECTORIES = ['', 'd', 'd/sub', 'e']
/** The scan comes to them in this order. */
const FIRST = 'e' as PathKey

interface Early extends Folder {
  readonly early: EarlyLook
  /** Directories whose rows were read. */
  readonly read: string[]
  /** Called once a scan has what was seen early of a directory, before it compares. */
  onSeen: (directory: PathKey) => void
}

/** All that is asked of the threads of the disk fails: only what was seen early is known as a whole. */
const noWorkers: Workers = { size: 1, queued: 0, run: async () => await Promise.reject(new Error('no thread')) }

async function seenEarly(t: Assert): Promise<Early> {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd/sub'), { recursive: true })
  fs.mkdirSync(join(folder.root, 'e'))
  for (const directory of DIRECTORIES) for (let i = 0; i < FILES; i++) fs.writeFileSync(join(folder.root, directory, `f${i}`), `${directory} ${i}`)
  // What was written in the moment of a reading is read once more.
  for (let left = 100; left > 0 && (await scan(folder)).length > 0; left--) await sleep(50)
  const digests = new Map<PathKey, Buffer>()
  for (const directory of DIRECTORIES as PathKey[]) {
    const rows = await folder.rows.children(directory)
    digests.set(directory, directoryDigest([...rows].map(([name, { seen }]) => ({ name, ino: BigInt(seen?.ino ?? 0), size: BigInt(seen?.size ?? 0), mtimeNs: BigInt(seen?.mtimeNs ?? 0), ctimeNs: BigInt(seen?.ctimeNs ?? 0), mode: BigInt(seen?.mode ?? 0) }))))
  }
  const early = await lookedAt(t, folder.root, DIRECTORIES)
  const again: Early = { ...folder, disk: await folder.again({ workers: noWorkers, early }), early, read: [], onSeen: () => undefined }
  folder.rows.onChildren = (directory) => void again.read.push(directory)
  const digest = async (directory: PathKey): Promise<Buffer | null> => {
    again.onSeen(directory)
    return digests.get(directory) ?? null
  }
  Object.assign(folder.rows, { digest })
  return again
}

async function lookedAt(t: Assert, root: string, directories: readonly string[]): Promise<EarlyLook> {
  return await lookedAtAll(t, [root], directories.map((directory) => join(root, directory)))
}

async function lookedAtAll(t: Assert, roots: readonly string[], paths: readonly string[]): Promise<EarlyLook> {
  const early = new EarlyLook(roots)
  t.teardown(() => early.close())
  for (let left = 200; left > 0 && !paths.every((path) => word(early, path)); left--) await sleep(25)
  return early
}

/** Whether it has a word of the directory as it is now. */
function word(early: EarlyLook, path: string): boolean {
  const fd = fs.openSync(path, 'r')
  try {
    const { dev, ino } = fs.fstatSync(fd, { bigint: true })
    return early.of({ fd, device: dev, ino: String(ino) } as Directory) !== null
  } finally {
    fs.closeSync(fd)
  }
}

test('what was seen early is looked at by nobody else', async (t) => {
  const folder = await seenEarly(t)
  const watched: string[] = []
  t.alike(await scan(folder, { onDirectory: (directory) => (watched.push(directory), null) }), [])
  t.alike(folder.read, [])
  t.alike(watched.sort(), DIRECTORIES, 'each is watched')
})

test('its thread ends with the first scan, and the next one has its word no more', async (t) => {
  const folder = await seenEarly(t)
  await scan(folder)
  t.absent(word(folder.early, join(folder.root, 'd')))
  t.alike(await folder.early.changed(['1:1']), ['1:1'], 'nothing is vouched for')
})

const CHANGES: readonly { readonly what: string; readonly change: (root: string) => void; readonly tells: readonly string[] }[] = [
  { what: 'a file written over', change: (root) => overwrite(join(root, 'e/f1'), 'E'), tells: ['present e/f1'] },
  { what: 'a new file', change: (root) => fs.writeFileSync(join(root, 'e/new'), 'n'), tells: ['present e/new'] },
  { what: 'a file that is gone', change: (root) => fs.rmSync(join(root, 'e/f2')), tells: ['absent e/f2'] },
  { what: 'the mode of a file', change: (root) => fs.chmodSync(join(root, 'e/f3'), 0o600), tells: ['present e/f3'] },
  { what: 'a new directory', change: (root) => makeDirectory(join(root, 'e/n')), tells: ['present e/n', 'present e/n/x'] },
  { what: 'another directory of the same names', change: (root) => replaceDirectory(join(root, 'e')), tells: ['present e/f0', 'present e/f9'] }
]

for (const { what, change, tells } of CHANGES) {
  test(`changed between the early look and the scan: ${what}`, async (t) => {
    const folder = await seenEarly(t)
    change(folder.root)
    const found = told(await scan(folder))
    t.ok(tells.every((line) => found.includes(line)), found.join(' · '))
  })

  test(`changed while the scan takes the word of the early look: ${what}`, async (t) => {
    const folder = await seenEarly(t)
    let isDone = false
    folder.onSeen = (directory) => {
      if (directory !== FIRST || isDone) return
      isDone = true
      change(folder.root)
    }
    const first = told(await scan(folder))
    t.ok(isDone)
    // What was read of a directory that went meanwhile is read once more.
    const found = first.includes('unstable e') ? [...first, ...told(await scan(folder))] : first
    t.ok(tells.every((line) => found.includes(line)), found.join(' · '))
    t.absent(!tells.some((line) => line.startsWith('absent')) && found.some((line) => line.startsWith('absent')), found.join(' · '))
  })
}

test('changed after its directory was compared, by a writer that the scan does not hear', async (t) => {
  const folder = await seenEarly(t)
  const changed = folder.early.changed.bind(folder.early)
  let asked = 0
  // All is compared, and the scan asks what to look at again.
  folder.early.changed = async (keys) => {
    asked++
    overwrite(join(folder.root, 'e/f1'), 'E')
    return await changed(keys)
  }
  const found = told(await scan(folder))
  t.is(asked, 1)
  t.ok(found.includes('present e/f1'), found.join(' · '))
  t.absent(folder.read.includes('d'), 'what did not change is not read')
})

test('a directory whose parent is another by now, changed before the scan: no word is taken that nobody would ask about', async (t) => {
  const folder = await seenEarly(t)
  // `d` is a newcomer, which is looked at last; what is in it is what it was.
  fs.renameSync(join(folder.root, 'd'), join(folder.root, 'old'))
  fs.mkdirSync(join(folder.root, 'd'))
  fs.renameSync(join(folder.root, 'old/sub'), join(folder.root, 'd/sub'))
  fs.rmSync(join(folder.root, 'old'), { recursive: true })
  folder.early.close()
  const early = await lookedAt(t, folder.root, ['', 'd/sub', 'e'])
  const disk = await folder.again({ workers: noWorkers, early })
  overwrite(join(folder.root, 'd/sub/f1'), 'E')
  const found = told(await scan({ disk, rows: folder.rows }))
  t.ok(found.includes('present d/sub/f1'), found.join(' · '))
})

test('what happened in a directory itself has nothing below it looked at again', async (t) => {
  const folder = await seenEarly(t)
  const watched: string[] = []
  fs.writeFileSync(join(folder.root, 'd/lock'), '')
  fs.rmSync(join(folder.root, 'd/lock'))
  await folder.early.changed([])
  const again = await lookedAt(t, folder.root, DIRECTORIES)
  const disk = await folder.again({ workers: noWorkers, early: again })
  const changed = again.changed.bind(again)
  again.changed = async (keys) => {
    fs.writeFileSync(join(folder.root, 'd/lock'), '')
    fs.rmSync(join(folder.root, 'd/lock'))
    return await changed(keys)
  }
  t.alike(await scan({ disk, rows: folder.rows }, { onDirectory: (directory) => (watched.push(directory), null) }), [])
  t.alike(watched.sort(), ['', 'd', 'd', 'd/sub', 'e'])
})

test('a file that has another name is not vouched for: what is written to it there is told there', async (t) => {
  const folder = await seenEarly(t)
  fs.linkSync(join(folder.root, 'e/f1'), join(folder.root, '.p2psync/elsewhere'))
  const early = await lookedAt(t, folder.root, ['', 'd', 'd/sub'])
  await sleep(200)
  t.absent(word(early, join(folder.root, 'e')))
  t.ok(word(early, join(folder.root, 'd')))
})

test('watches that others need are given up', async (t) => {
  const { root } = await openFolder(t)
  const early = new EarlyLook([root])
  t.ok(early.makeRoom())
  for (let left = 200; left > 0 && early.makeRoom(); left--) await sleep(25)
  t.absent(early.makeRoom(), 'there is no more room than before')
})

test('a thread that dies after its word was taken: all is looked at again', async (t) => {
  const folder = await seenEarly(t)
  folder.onSeen = (directory) => {
    if (directory !== 'd/sub') return
    overwrite(join(folder.root, 'e/f1'), 'E')
    folder.early.close()
  }
  const found = told(await scan(folder))
  t.ok(found.includes('present e/f1'), found.join(' · '))
  t.ok(folder.read.includes('d') && folder.read.includes('d/sub'), folder.read.join(' '))
})

test('its word is of a directory as it was, and of no other with its number', async (t) => {
  const folder = await seenEarly(t)
  const path = join(folder.root, 'd')
  t.ok(word(folder.early, path))
  fs.renameSync(path, join(folder.root, 'moved'))
  t.absent(word(folder.early, join(folder.root, 'moved')), 'its ctime says that something happened')
})

test('what is ignored, and what is no folder of ours, is not looked at', async (t) => {
  const { root } = await openFolder(t)
  const { root: last } = await openFolder(t)
  fs.writeFileSync(join(root, '.p2psyncignore'), 'out\n')
  for (const directory of [join(root, 'in'), join(root, 'out'), join(last, 'in')]) {
    fs.mkdirSync(directory)
    for (let i = 0; i < FILES; i++) fs.writeFileSync(join(directory, `f${i}`), '')
  }
  // One folder after the other: with a word of the last one all has been said of those before.
  const early = await lookedAtAll(t, [root, last], [join(last, 'in')])
  t.ok(word(early, join(root, 'in')))
  t.absent(word(early, join(root, 'out')))
  fs.rmSync(join(root, '.p2psync'), { recursive: true })
  const unmarked = await lookedAtAll(t, [root, last], [join(last, 'in')])
  t.ok(word(unmarked, join(last, 'in')))
  t.absent(word(unmarked, join(root, 'in')))
})

test('a thread that does not answer is not waited for, and vouches for nothing', { timeout: 10_000 }, async (t) => {
  const { root } = await openFolder(t)
  // It takes longer to come up.
  const early = new EarlyLook([root], { answerMs: 1 })
  t.alike(await early.changed(['1:1']), ['1:1'])
})

test('it ends by itself where no scan comes', async (t) => {
  const { root } = await openFolder(t)
  const early = new EarlyLook([root], { maxMs: 200 })
  t.alike(await early.changed([]), [])
  for (let left = 100; left > 0 && (await early.changed(['1:1'])).length === 0; left--) await sleep(25)
  t.alike(await early.changed(['1:1']), ['1:1'])
})

function overwrite(path: string, text: string): void {
  const fd = fs.openSync(path, 'r+')
  fs.writeSync(fd, text, 0)
  fs.closeSync(fd)
}

function makeDirectory(path: string): void {
  fs.mkdirSync(path)
  fs.writeFileSync(join(path, 'x'), 'x')
}

function replaceDirectory(path: string): void {
  fs.renameSync(path, `${path}~`)
  fs.mkdirSync(path)
  for (const name of fs.readdirSync(`${path}~`)) fs.writeFileSync(join(path, name), 'another')
  fs.rmSync(`${path}~`, { recursive: true })
}
