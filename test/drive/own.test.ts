/** Our own drive: what a stock reader sees of it, what publish does with bytes, replay. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import test from 'brittle'
import Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type Hyperdrive from 'hyperdrive'
import type { References } from '../../daemon/drive/blob-job.ts'
import { appendBlobs } from '../../daemon/drive/blob-writer.ts'
import type { Own, Replayed } from '../../daemon/drive/own.ts'
import { writerIdOf } from '../../daemon/drive/own.ts'
import { encodeKey } from '../../daemon/drive/drive-path.ts'
import type { Drives } from '../../daemon/drive/drives.ts'
import type { Publication, ReadChunk } from '../../daemon/ports.ts'
import type { DriveKey, PathKey } from '../../daemon/sync/ids.ts'
import { Random } from '../fakes/random.ts'
import { Contents, DEVICE, FOLDER, FOLDER_KEY, directory, file, gone, openDrives, source, stockReader, symlink, tombstone } from './fixtures.ts'

async function own(drives: Drives, generation = 1): Promise<Own> {
  const opened = await drives.openOwn({ folder: FOLDER, device: DEVICE, folderKey: FOLDER_KEY, generation })
  drives.setSource(opened.key, source)
  return opened
}

async function listing(reader: Hyperdrive): Promise<string[]> {
  const names: string[] = []
  for await (const entry of reader.list('/')) names.push(entry.key)
  return names.sort()
}

async function replayed(drive: Own, from: number): Promise<Replayed[]> {
  const rows: Replayed[] = []
  for await (const batch of drive.replay(from)) rows.push(...batch)
  return rows
}

test('a stock reader sees exactly the live tree, byte for byte', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  const large = randomBytes(1_500_000)
  const small = Buffer.from('hello')
  const odd = 'a\\b/100%5C %25 %20/ü\u{1f600}.txt'
  await drive.publish(
    [
      file('large.bin', contents.list(large, 1000), 1),
      file('small.txt', contents.list(small), 2, 0o755),
      file('empty', contents.list(Buffer.alloc(0)), 3),
      directory('dir', 4),
      file('dir/copy.txt', contents.list(small), 5),
      symlink('link', '../elsewhere\\x', 6),
      tombstone('never', 7),
      file(odd, contents.list(Buffer.from('odd')), 8),
      file('turned', contents.list(small), 9),
      file('left', contents.list(small), 10)
    ],
    contents.read
  )
  await drive.publish([tombstone('turned', 11), gone('left'), file('dir', contents.list(Buffer.from('now a file')), 12), tombstone('dir/copy.txt', 13)], contents.read)

  const reader = await stockReader(t, drives, drive)
  const names = await listing(reader)
  t.alike(names, ['/a%5Cb/100%255C %2525 %20/ü\u{1f600}.txt', '/dir', '/empty', '/large.bin', '/link', '/small.txt'])
  t.alike(await reader.get('/large.bin'), large)
  t.alike(await reader.get('/small.txt'), small)
  t.alike(await reader.get('/empty'), Buffer.alloc(0))
  t.alike(await reader.get('/dir'), Buffer.from('now a file'))
  t.alike(await reader.get(names[0] as string), Buffer.from('odd'))
  t.is((await reader.entry('/small.txt'))?.value.executable, true)
  t.is((await reader.entry('/link'))?.value.linkname, '../elsewhere\\x')
  t.is(await reader.entry('/turned'), null)
})

test('a chunk that cannot be read spoils its own path only', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  const bad = contents.list(randomBytes(5000), 1000)
  contents.forget(bad, 3)
  const good = randomBytes(3000)
  const read: ReadChunk = (path, chunk, offset) => (path === 'throws' ? Promise.reject(new Error('EIO')) : contents.read(path, chunk, offset))
  const results = await drive.publish(
    [
      file('before', contents.list(good, 1000), 1),
      file('bad', bad, 2),
      file('throws', contents.list(Buffer.from('t')), 3),
      file('short', { ...contents.list(Buffer.from('s')), chunks: [{ id: contents.list(Buffer.from('s')).chunks[0]?.id as never, length: 2 }], size: 1 }, 4),
      file('after', contents.list(Buffer.from('after')), 5)
    ],
    read
  )
  t.alike(results.map((result) => result.kind), ['done', 'unreadable', 'unreadable', 'unreadable', 'done'])
  const reader = await stockReader(t, drives, drive)
  t.alike(await listing(reader), ['/after', '/before'])
  t.alike(await reader.get('/before'), good)
  t.alike(await reader.get('/after'), Buffer.from('after'))
})

test('blocks that are in the drive already are not appended again', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  const list = contents.list(randomBytes(10_000), 1000)
  const unreadable: ReadChunk = () => Promise.resolve(null)
  const [first, twin] = await drive.publish([file('a', list, 1), file('twin', list, 2)], contents.read)
  const blocks = drive.blobs.length
  t.is(blocks, 11, 'ten chunks and one page, once')
  t.alike(first, twin)
  const blob = first?.kind === 'done' ? first.blob : null
  t.alike(await drive.publish([{ ...file('b', list, 3), content: { list, blob } }], unreadable), [{ kind: 'done', blob }])
  t.alike(await drive.publish([{ ...file('a', list, 4, 0o600), content: null }], unreadable), [{ kind: 'done', blob }], 'a chmod needs no list')
  t.alike(await drive.publish([{ ...file('c', list, 5), content: null }], unreadable), [{ kind: 'unreadable' }])
  t.alike(await drive.publish([{ ...file('d', list, 6), content: { list, blob: { blockOffset: 5, blockLength: 10, byteOffset: 0, byteLength: 10_000 } } }], unreadable), [
    { kind: 'unreadable' }
  ], 'a range beyond the end is not believed')
  t.is(drive.blobs.length, blocks)
})

test('twins: the second path is read if the first cannot be', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  const list = contents.list(Buffer.from('twin'))
  const read: ReadChunk = (path, chunk, offset) => (path === 'a' ? Promise.resolve(null) : contents.read(path, chunk, offset))
  const results = await drive.publish([file('a', list, 1), file('b', list, 2)], read)
  t.alike(results.map((result) => result.kind), ['unreadable', 'done'])
})

test('replay gives back every statement with blob and list, also after a restart', async (t) => {
  const folder = join(await t.tmp(), 'store')
  const first = await openDrives(t, 1, folder)
  const drive = await own(first.drives)
  const contents = new Contents()
  const large = contents.list(randomBytes(2_000_000), 1000)
  const published = await drive.publish([file('large', large, 1), file('small', contents.list(Buffer.from('x')), 2), directory('dir', 3)], contents.read)
  const middle = drive.length
  await drive.publish([tombstone('small', 4), gone('dir')], contents.read)
  const head = await drive.head()
  await first.drives.close()
  await first.store.close()

  const second = await openDrives(t, 1, folder)
  const again = await own(second.drives)
  t.is(again.key, drive.key)
  t.is(again.writer, writerIdOf(drive.key))
  t.alike(await again.head(), head)
  const rows = await replayed(again, 0)
  t.alike(rows.map((row) => [row.path, row.entry?.kind ?? null]), [['large', 'file'], ['small', 'file'], ['dir', 'directory'], ['small', null], ['small', 'tombstone'], ['dir', null]])
  t.alike(rows[0]?.list, large)
  t.alike(rows[0]?.blob, published[0]?.kind === 'done' ? published[0].blob : null)
  t.is(rows[1]?.list?.size, 1)
  t.alike((await replayed(again, middle)).map((row) => row.path), ['small', 'small', 'dir'])
  t.alike(await replayed(again, again.length), [])
  await again.publish([file('more', contents.list(Buffer.from('more')), 5)], contents.read)
  t.is((await replayed(again, head.length)).length, 1)
})

test('replay gives back the list of an empty file as well', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  await drive.publish([file('empty', contents.list(Buffer.alloc(0)), 1)], contents.read)
  t.alike((await replayed(drive, 0)).map((row) => row.list?.size), [0])
})

test('nothing is stated whose blocks could not be written', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  await drive.publish([file('first', contents.list(Buffer.from('one')), 1)], contents.read)
  const { length } = drive
  const append = drive.blobs.append.bind(drive.blobs)
  drive.blobs.append = async () => {
    throw new Error('disk full')
  }
  await t.exception(drive.publish([file('second', contents.list(Buffer.from('two')), 2)], contents.read), /disk full/)
  t.is(drive.length, length)
  drive.blobs.append = append
  await drive.publish([file('second', contents.list(Buffer.from('two')), 2)], contents.read)
  t.alike((await replayed(drive, length)).map((row) => row.path), ['second'])
})

/** Write batches that go to the database from now on. */
function writesOf(drive: Own): { count: number; failing: boolean } {
  const writes = { count: 0, failing: false }
  const seen = new WeakSet<object>()
  for (const db of new Set([drive.db, drive.blobs].map((core) => core.state.storage.db))) {
    const write = db.write.bind(db)
    db.write = (...options) => {
      const batch = write(...options)
      // They are used again.
      if (seen.has(batch)) return batch
      seen.add(batch)
      const flush = batch.flush.bind(batch)
      batch.flush = async () => {
        writes.count++
        if (!writes.failing) return await flush()
        batch.destroy()
        throw new Error('disk full')
      }
      return batch
    }
  }
  return writes
}

test('the block of a tiny file and its statement are written together, or neither is', async (t) => {
  const path = join(await t.tmp(), 'store')
  const { drives, store } = await openDrives(t, 1, path)
  const drive = await own(drives)
  const contents = new Contents()
  await drive.publish([file('first', contents.list(Buffer.from('one')), 1)], contents.read)
  const writes = writesOf(drive)
  await drive.publish([file('second', contents.list(Buffer.from('two')), 2)], contents.read)
  t.is(writes.count, 1)
  await drive.publish([file('copy', contents.list(Buffer.from('two')), 3)], contents.read)
  const { length } = drive
  const blocks = drive.blobs.length
  writes.failing = true
  await t.exception(drive.publish([file('lost', contents.list(Buffer.from('three')), 4)], contents.read), /disk full/)
  t.alike([drive.length, drive.blobs.length], [length, blocks])
  writes.failing = false
  writes.count = 0
  await drive.publish([file('third', contents.list(Buffer.from('four')), 5), file('fourth', contents.list(Buffer.from('five')), 6)], contents.read)
  t.is(writes.count, 2, 'several go as ever')
  await drives.close()
  await store.close()
  const again = await own((await openDrives(t, 1, path)).drives)
  t.alike((await replayed(again, 0)).map((row) => `${row.path} ${row.list?.size}`), ['first 3', 'second 3', 'copy 3', 'third 4', 'fourth 4'])
  for (const stated of await again.stated(['second', 'third'] as PathKey[])) t.is(stated === null ? 'not stated' : (await again.verify(stated)).fault, null)
})

test('what else is written to the blobs core meanwhile is not taken for the block of a tiny file', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  await drive.publish([file('first', contents.list(Buffer.from('one')), 1)], contents.read)
  const append = drive.blobs.append.bind(drive.blobs)
  let fails = true
  drive.blobs.append = async (...blocks) => {
    await drive.blobs.setUserData('note', Buffer.from('x'))
    if (fails) throw new Error('disk full')
    return await append(...blocks)
  }
  await t.exception(drive.publish([file('second', contents.list(Buffer.from('two')), 2)], contents.read), /disk full/)
  t.alike((await replayed(drive, 0)).map((row) => row.path), ['first'], 'the statement waits for the block')
  fails = false
  await drive.publish([file('second', contents.list(Buffer.from('two')), 2)], contents.read)
  t.alike((await replayed(drive, 0)).map((row) => row.path), ['first', 'second'])
  t.is(drive.blobs.length, 2)
})

test('what has ended is stated as that, where the get of the tree gives what it was before', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  const binary = { keyEncoding: 'binary', valueEncoding: 'binary' } as const
  const bee = new Hyperbee(drive.db, binary)
  const random = new Random('4')
  const below = (directory: number): string[] => Array.from({ length: 60 }, (_, i) => `t/d${directory}/${i % 3 === 0 ? 's/' : ''}f${i}`)
  let [count, stale] = [0, 0]
  const state = async (names: readonly string[], make: (name: string, n: number) => Publication): Promise<void> => {
    for (let done = 0; done < names.length; ) {
      const some = names.slice(done, (done += 1 + random.below(300)))
      await drive.publish(some.map((name) => make(name, ++count)), contents.read)
    }
  }
  const rank = (name: string): number => (name.length * 7919 + name.charCodeAt(name.length - 1) * 104_729 + count) % 1009
  const live = (name: string, n: number): Publication => symlink(name, 'x', n)
  await state(Array.from({ length: 30 }, (_, directory) => below(directory)).flat(), live)
  for (let round = 0; round < 40 && stale === 0; round++) {
    const names = [...new Set(Array.from({ length: 4 + random.below(6) }, () => random.below(30)))].flatMap((directory) => below(directory).reverse())
    if (random.below(2) === 0) names.sort((x, y) => rank(x) - rank(y))
    await state(names, tombstone)
    const paths = names as PathKey[]
    for (const stated of await drive.stated(paths)) if (stated?.entry.kind !== 'tombstone') t.fail(`a ${stated?.entry.kind} that has ended`)
    for (const path of paths) if ((await bee.get(encodeKey('files', path), binary)) !== null) stale++
    await state(names, live)
  }
  t.ok(stale > 0, 'hyperbee 2.27.3 gave such a thing')
})

test('what an append that failed was to refer to is not taken for the blocks after it', async (t) => {
  const contents = new Contents()
  const [five, two] = [contents.list(randomBytes(500), 100), contents.list(randomBytes(200), 100)]
  const references: References = new Map()
  const append = async (): Promise<void> => {
    throw new Error('disk full')
  }
  await t.exception((await appendBlobs(core(append), references, [{ path: 'five' as PathKey, list: five }], contents.read)).written, /disk full/)
  const seen: boolean[] = []
  const { written } = await appendBlobs(core(async (blocks) => void blocks.forEach((_, i) => seen.push(references.has(i)))), references, [{ path: 'two' as PathKey, list: two }], contents.read)
  await written
  t.alike(seen, [true, true, false], 'two chunks and the page of their list')
})

function core(append: (blocks: readonly Buffer[]) => Promise<void>): Hypercore {
  // SAFETY: appending asks for nothing else.
  return { length: 0, byteLength: 0, append } as unknown as Hypercore
}

test('the key of an own drive depends on seed, folder, device and generation only', async (t) => {
  const a = await openDrives(t, 1)
  const b = await openDrives(t, 1)
  const c = await openDrives(t, 2)
  const key = (await own(a.drives)).key
  t.is((await own(b.drives)).key, key)
  t.not((await own(a.drives, 2)).key, key)
  t.not((await own(c.drives)).key, key)
  t.is(await own(a.drives), await own(a.drives))
})

test('publishing while another publish runs keeps both whole', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  const bytes = Array.from({ length: 20 }, () => randomBytes(5000))
  await Promise.all(bytes.map((data, i) => drive.publish([file(`f${i}`, contents.list(data, 700), i + 1)], contents.read)))
  const reader = await stockReader(t, drives, drive)
  for (const [i, data] of bytes.entries()) t.alike(await reader.get(`/f${i}`), data)
})

test('a drive that was closed can be opened again at once', async (t) => {
  const { drives } = await openDrives(t, 1)
  const contents = new Contents()
  const drive = await own(drives)
  await drive.publish([file('a', contents.list(Buffer.from('a')), 1)], contents.read)
  const closing = drives.closeFolder(FOLDER)
  const again = await own(drives)
  await closing
  t.not(again, drive)
  t.is(again.length, drive.length)
  await again.publish([file('b', contents.list(Buffer.from('b')), 2)], contents.read)
  const reader = await stockReader(t, drives, again)
  t.alike(await listing(reader), ['/a', '/b'])
  await drives.closeDrive(again.key)
  await drives.closeDrive(again.key)
})

test('five thousand statements at once, and not one more', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  const contents = new Contents()
  const changes = Array.from({ length: 5000 }, (_, i) => file(`d${i % 50}/f${i}`, contents.list(Buffer.from(`content ${i}`)), i + 1))
  const results = await drive.publish(changes, contents.read)
  t.ok(results.every((result) => result.kind === 'done'))
  t.is(drive.length, 5001)
  t.is(drive.blobs.length, 5000)
  await t.exception(drive.publish([...changes, directory('one', 9999)], contents.read), /at most/)
})

test('a closed drive rejects', async (t) => {
  const { drives } = await openDrives(t, 1)
  const drive = await own(drives)
  await drives.close()
  await t.exception(drive.publish([], () => Promise.resolve(null)), /closed/)
  await t.exception(drive.head(), /closed/)
  await t.exception(own(drives), /closed/)
})

test('R1: the writer id is the hash of the first drive key', (t) => {
  t.is(writerIdOf('00'.repeat(32) as DriveKey), '66687aadf862bd77')
})
