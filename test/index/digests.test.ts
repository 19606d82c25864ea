/** Digests of directories: true of the rows that are there, or not there. */
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { Store } from '../../daemon/drive/store.ts'
import { openIndex } from '../../daemon/index/open.ts'
import type { FolderIndex, Row, SeenStat } from '../../daemon/ports.ts'
import { directoryDigest, type Standing } from '../../daemon/sync/directory-digest.ts'
import type { FolderId, PathKey, WriterId } from '../../daemon/sync/ids.ts'

const FOLDER = 'f1'.repeat(32) as FolderId
const WRITER = '0123456789abcdef' as WriterId
const DOT = { vv: { [WRITER]: 1 }, dots: [] }
/** Beyond ASCII and the first plane: sorted by bytes it has another order than by UTF-16. */
const NAMES = [...Array.from({ length: 16 }, (_, i) => `f${i}`), '\uffee', '\u{1f600}']

test('a digest is of what was seen of all children, and lasts', async (t) => {
  const bench = await open(t)
  await put(bench.index, NAMES.map((name, i) => [`d/${name}`, file(i)]))
  await put(bench.index, [['d/sub', directory(900)], ['d/link', symlink(901)], ['d/gone', GONE], ['elsewhere', file(1)]])
  t.is(await bench.index.digest(key('d')), null, 'not made yet')
  await bench.index.writeDigests()
  const standing = [...NAMES.map((name, i) => stand(name, i, 0o100644)), { ...stand('sub', 900, 0o040755), size: 1n, mtimeNs: 5n, ctimeNs: 6n }, stand('link', 901, 0o120777)]
  t.alike(await bench.index.digest(key('d')), directoryDigest(standing.toReversed()))
  t.unlike(await bench.index.digest(key('d')), directoryDigest(standing.slice(1)))
  const reopened = await bench.reopen()
  t.alike(await reopened.digest(key('d')), directoryDigest(standing))
})

test('a row that changes takes the digest of its directory along, with its batch', async (t) => {
  const { index } = await open(t)
  await put(index, [...NAMES.map((name, i): [string, Row] => [`d/${name}`, file(i)]), ...NAMES.map((name, i): [string, Row] => [`e/${name}`, file(i)])])
  for (const change of [file(77), GONE, null]) {
    await index.writeDigests()
    const [before, other] = [await index.digest(key('d')), await index.digest(key('e'))]
    t.ok(before !== null && other !== null)
    const batch = index.batch()
    if (change === null) batch.delRow(key('d/f1'))
    else batch.putRow(key('d/f1'), change)
    t.alike(await index.digest(key('d')), before)
    await batch.flush()
    t.is(await index.digest(key('d')), null)
    t.alike(await index.digest(key('e')), other)
    await put(index, [['d/f1', file(1)]])
  }
})

test('there is none where a scan would have to look at each child', async (t) => {
  const { index } = await open(t)
  const unsure: [string, Row][] = [
    ['ignored', { ...file(50), ignored: true }],
    ['unseen', { ...file(50), seen: null }],
    ['blocked', { ...file(50), blocked: { code: 'x', message: 'y' } }],
    ['shadow', { ...GONE, shadow: true, seen: seen(50, 0o040755) }],
    ['another-kind', { ...file(50), seen: seen(50, 0o120777) }]
  ]
  for (const [name, row] of unsure) await put(index, [...NAMES.map((child, i): [string, Row] => [`${name}/${child}`, file(i)]), [`${name}/odd`, row]])
  await put(index, [['few/a', file(1)], ['few/b', file(2)]])
  await index.writeDigests()
  for (const name of [...unsure.map(([odd]) => odd), 'few', 'none']) t.is(await index.digest(key(name)), null, name)
  for (const [name] of unsure) await put(index, [[`${name}/odd`, GONE]])
  await index.writeDigests()
  for (const [name] of unsure) t.ok(await index.digest(key(name)), `${name} once it is gone`)
})

test('one that was asked for in vain is made the next time', async (t) => {
  const bench = await open(t)
  await put(bench.index, NAMES.map((name, i) => [`d/${name}`, file(i)]))
  const index = await bench.reopen()
  await index.writeDigests()
  t.is(await index.digest(key('d')), null)
  await index.writeDigests()
  t.ok(await index.digest(key('d')))
})

const GONE: Row = { entry: { kind: 'tombstone', ...DOT }, seen: null }

function seen(ino: number, mode: number): SeenStat {
  return { ino: String(ino), size: 3, mtimeNs: '-7', ctimeNs: '1700000000123456789', mode }
}

function file(ino: number): Row {
  return { entry: { kind: 'file', ...DOT, mdot: [WRITER, 1], mode: 0o644, size: 3, mtime: '0', cid: 'A'.repeat(43) } as unknown as Row['entry'], seen: seen(ino, 0o100644) }
}

function directory(ino: number): Row {
  return { entry: { kind: 'directory', ...DOT, mdot: [WRITER, 1], mode: 0o755 }, seen: seen(ino, 0o040755) }
}

function symlink(ino: number): Row {
  return { entry: { kind: 'symlink', ...DOT, mtime: '0', target: 'x' }, seen: seen(ino, 0o120777) }
}

function stand(name: string, ino: number, mode: number): Standing {
  return { name, ino: BigInt(ino), size: 3n, mtimeNs: -7n, ctimeNs: 1_700_000_000_123_456_789n, mode: BigInt(mode) }
}

function key(path: string): PathKey {
  return path as PathKey
}

async function put(index: FolderIndex, rows: readonly (readonly [string, Row])[]): Promise<void> {
  const batch = index.batch()
  for (const [path, row] of rows) batch.putRow(key(path), row)
  await batch.flush()
}

async function open(t: Assert): Promise<{ readonly index: FolderIndex; reopen(): Promise<FolderIndex> }> {
  const path = join(await t.tmp(), 'store')
  let close = async (): Promise<void> => undefined
  const start = async (): Promise<FolderIndex> => {
    const store = new Store({ path, primaryKey: Buffer.alloc(32, 1) })
    await store.open()
    const index = await openIndex(store, FOLDER)
    close = async () => {
      await index.close()
      await store.close()
    }
    return index
  }
  t.teardown(async () => await close())
  return {
    index: await start(),
    reopen: async () => {
      await close()
      return await start()
    }
  }
}
