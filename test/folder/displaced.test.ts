/** R35 on fakes: a writer that holds open what a sync displaced. */
import test from 'brittle'
import { DISPLACED_RECHECK_MS } from '../../base/limits.ts'
import type { FileNode } from '../fakes/tree.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

interface Held {
  readonly made: FolderWorld
  readonly a: FolderDevice
  readonly b: FolderDevice
  /** The file that a writer on b holds open. */
  readonly file: FileNode
}

/** b's `d/doc` is in b's history, replaced (or removed) by what a did, `ms` ago. */
async function displaced(ms: number, act: (a: FolderDevice) => void): Promise<Held> {
  const made = await FolderWorld.open({}, {})
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.mkdir('d')
  a.user.write('d/doc', 'before')
  await made.rest()
  const file = b.disk.tree.node('d/doc')
  if (file?.kind !== 'file') throw new Error('it did not come')
  act(a)
  for (let i = 0; i < 1000 && b.disk.tree.node('d/doc') === file; i++) await made.rest(10)
  await made.rest(ms)
  return { made, a, b, file }
}

function writeLate(file: FileNode, text: string): void {
  file.data = Buffer.from(text)
  file.mtimeNs += 1_000_000_000n
  file.ctimeNs += 1_000_000_000n
}

const replace = (a: FolderDevice): void => a.user.write('d/doc', 'after')
const texts = (device: FolderDevice): string[] => device.files().map((path) => device.user.read(path).toString()).sort()
const kept = (device: FolderDevice): string[] => [...device.disk.history.values()].map((node) => (node.kind === 'file' ? node.data.toString() : '')).sort()

test('R35: what is written after the exchange becomes a conflict copy on every device, not history', async (t) => {
  const { made, a, b, file } = await displaced(DISPLACED_RECHECK_MS / 2, replace)
  writeLate(file, 'written late')
  await made.rest()
  for (const device of [a, b]) {
    t.alike(texts(device), ['after', 'written late'])
    t.is(device.files().filter((path) => path.includes('.sync-conflict-')).length, 1)
  }
  t.alike(kept(b), [])
  t.is(b.index.history.size, 0, 'and is listed as none')
})

test('R35: also where the path and its directory are gone', async (t) => {
  const { made, a, b, file } = await displaced(DISPLACED_RECHECK_MS / 2, (device) => device.user.remove('d'))
  writeLate(file, 'written late')
  await made.rest()
  for (const device of [a, b]) t.alike(texts(device), ['written late'])
})

test('R35: after a kill in between, the first full scan finds it', async (t) => {
  const { made, a, b, file } = await displaced(DISPLACED_RECHECK_MS / 2, replace)
  b.kill()
  writeLate(file, 'written late')
  await made.rest(100_000)
  b.start()
  await made.rest()
  for (const device of [a, b]) t.alike(texts(device), ['after', 'written late'])
})

test('R35: later than the first look, the next full scan finds it', async (t) => {
  const { made, a, b, file } = await displaced(3 * DISPLACED_RECHECK_MS, replace)
  writeLate(file, 'written late')
  await made.rest()
  t.alike(texts(b), ['after'], 'not seen by anybody yet')
  await made.whenDone(b.folder.scan(false, new AbortController().signal))
  await made.rest()
  for (const device of [a, b]) t.alike(texts(device), ['after', 'written late'])
})

test('R35: what nobody writes to stays in history, and one with another name in the tree too', async (t) => {
  const { made, b, file } = await displaced(DISPLACED_RECHECK_MS / 2, replace)
  await made.rest()
  t.alike(kept(b), ['before'])
  t.is(b.index.history.size, 1)
  file.links++
  writeLate(file, 'written under its other name')
  await made.whenDone(b.folder.scan(false, new AbortController().signal))
  t.alike(texts(b), ['after'])
})
