/** The index of a folder against a real store. */
import { join } from 'node:path'
import test from 'brittle'
import { dropIndex, openIndex } from '../../daemon/index/open.ts'
import type { BlobRange, FolderIndex, HistoryRow, OwnCheckpoint } from '../../daemon/ports.ts'
import { contentList, decodeHeader, decodePage, chunkId, contentId, pageId } from '../../daemon/sync/content.ts'
import type { ContentId, ObjectId } from '../../daemon/sync/ids.ts'
import { DEVICE, DRIVE, FOLDER, OTHER_DEVICE, OTHER_DRIVE, OTHER_FOLDER, WRITER, collect, directoryEntry, fileEntry, history, list, openFresh, openStore, path, row, tombstoneEntry, tree } from './fixtures.ts'

const OWN: OwnCheckpoint = { drive: DRIVE, generation: 3, writer: WRITER, counter: 9, length: 17, epoch: 2 }
const BLOB: BlobRange = { blockOffset: 4, blockLength: 1, byteOffset: 100, byteLength: 5 }

/** Nothing of the content is left in any table. */
async function isForgotten(index: FolderIndex, content: ReturnType<typeof list>): Promise<boolean> {
  const ids = [content.cid, ...content.chunks.map((chunk) => chunk.id)] as unknown as ObjectId[]
  const found = await Promise.all(ids.map((id) => index.find(id)))
  return found.every((object) => object === null) && (await index.places(content.cid)).length === 0 && (await index.content(content.cid)) === null
}

test('rows: what was put is read, one by one, many at once, as children', async (t) => {
  const { index } = await openFresh(t)
  const names = ['a', 'a/b', 'a/b/c', 'a/ä\u{1f600}', 'a!', 'ab', 'a\\b/x']
  const batch = index.batch()
  for (const name of names) batch.putRow(path(name), row(directoryEntry()))
  t.is(await index.row(path('a')), null, 'nothing is visible before the flush')
  t.is(batch.size, names.length)
  await batch.flush()
  t.alike(await index.row(path('a')), row(directoryEntry()))
  t.alike((await index.rows([path('a/b'), path('no'), path('a\\b/x')])).map((found) => found !== null), [true, false, true])
  t.alike([...(await index.children(path(''))).keys()].sort(), ['a', 'a!', 'ab'])
  t.alike([...(await index.children(path('a'))).keys()], ['b', 'ä\u{1f600}'])
  t.alike([...(await index.children(path('a/b'))).keys()], ['c'])
  t.alike([...(await index.children(path('ab'))).keys()], [])
  t.alike((await collect(index.all())).map((found) => found.path).sort(), [...names].sort())
})

test('rows: every field survives', async (t) => {
  const { index } = await openFresh(t)
  const rows = [
    { ...row(fileEntry(list('x'))), blocked: { code: 'EACCES', message: 'no' } },
    { ...row(tombstoneEntry()), shadow: true as const, seen: row(directoryEntry()).seen },
    { ...row(fileEntry(list('x', 'y'), 2 ** 53 - 1)), ignored: true as const },
    row({ kind: 'symlink', vv: { [WRITER]: 3, aaaaaaaaaaaaaaaa: 1 }, dots: [[WRITER, 2]], mtime: '-62135596800000000000'.slice(0, 19), target: '../ü' }),
    row({ ...tombstoneEntry(), approved: true } as never)
  ]
  const batch = index.batch()
  for (const [i, value] of rows.entries()) batch.putRow(path(`r${i}`), value)
  await batch.flush()
  t.alike(await index.rows(rows.map((_, i) => path(`r${i}`))), rows)
})

test('what was read of a drive follows what becomes known of the drive', async (t) => {
  const { index } = await openFresh(t)
  const first = index.batch()
  first.putRemote(path('a'), { device: DEVICE, drive: DRIVE, generation: 1, entry: tombstoneEntry() })
  await first.flush()
  t.is((await index.remoteRows([path('a')]))[0]?.[0]?.generation, 1)
  const next = index.batch()
  next.setRemote(DRIVE, { device: OTHER_DEVICE, generation: 2, length: 1, fork: 0 })
  await next.flush()
  t.alike(await index.remoteRows([path('a')]), [[{ device: OTHER_DEVICE, drive: DRIVE, generation: 2, entry: tombstoneEntry() }]])
})

test('totals follow the rows', async (t) => {
  const { index } = await openFresh(t)
  const first = index.batch()
  first.putRow(path('f'), row(fileEntry(list('hello'))))
  first.putRow(path('f'), row(fileEntry(list('hello!'))))
  first.putRow(path('d'), row(directoryEntry()))
  first.putRow(path('gone'), row(tombstoneEntry()))
  first.putRow(path('hidden'), { ...row(fileEntry(list('zzzz'))), ignored: true })
  await first.flush()
  t.alike(index.totals, { files: 1, directories: 1, bytes: 6 })
  const second = index.batch()
  second.putRow(path('f'), row(tombstoneEntry(2)))
  second.putRow(path('d'), row(fileEntry(list('four'), 2)))
  second.delRow(path('hidden'))
  second.delRow(path('never'))
  await second.flush()
  t.alike(index.totals, { files: 1, directories: 0, bytes: 4 })
})

test('remote rows: per drive, with device and generation, dropped as one', async (t) => {
  const { index } = await openFresh(t)
  const batch = index.batch()
  batch.putRemote(path('d/x'), { device: DEVICE, drive: DRIVE, generation: 1, entry: directoryEntry() })
  batch.putRemote(path('d/y'), { device: DEVICE, drive: DRIVE, generation: 1, entry: tombstoneEntry() })
  batch.putRemote(path('d/x'), { device: OTHER_DEVICE, drive: OTHER_DRIVE, generation: 4, entry: tombstoneEntry(2) })
  batch.setRemote(DRIVE, { device: DEVICE, generation: 1, length: 5, fork: 0 })
  await batch.flush()
  t.alike(await index.remoteRows([path('d/x'), path('d'), path('d/y')]), [
    [
      { device: DEVICE, drive: DRIVE, generation: 1, entry: directoryEntry() },
      { device: OTHER_DEVICE, drive: OTHER_DRIVE, generation: 4, entry: tombstoneEntry(2) }
    ],
    [],
    [{ device: DEVICE, drive: DRIVE, generation: 1, entry: tombstoneEntry() }]
  ])
  t.alike([...(await index.remoteChildren(path('d')))].sort(), ['x', 'y'])
  t.alike([...(await index.remoteChildren(path('')))], [])
  t.alike(index.remoteCheckpoint(DRIVE), { device: DEVICE, generation: 1, length: 5, fork: 0 })
  t.is(index.remoteCheckpoint(OTHER_DRIVE), null)
  t.alike((await collect(index.allRemote(DRIVE))).map((found) => found.path), [path('d/x'), path('d/y')])

  const drop = index.batch()
  drop.dropRemote(DRIVE)
  drop.putRemote(path('z'), { device: DEVICE, drive: DRIVE, generation: 2, entry: tombstoneEntry(3) })
  drop.delRemote(path('d/x'), OTHER_DRIVE)
  await drop.flush()
  t.alike(await index.remoteRows([path('d/x'), path('d/y'), path('z')]), [[], [], [{ device: DEVICE, drive: DRIVE, generation: 2, entry: tombstoneEntry(3) }]])
  t.is(index.remoteCheckpoint(DRIVE), null)
})

test('divergent marks are set and unset', async (t) => {
  const { index } = await openFresh(t)
  const batch = index.batch()
  batch.setDivergent(DEVICE, path('a/b'), true)
  batch.setDivergent(OTHER_DEVICE, path('a/b'), true)
  batch.setDivergent(DEVICE, path('c'), true)
  await batch.flush()
  const unset = index.batch()
  unset.setDivergent(DEVICE, path('c'), false)
  await unset.flush()
  t.alike(await collect(index.divergent()), [
    { device: DEVICE, path: path('a/b') },
    { device: OTHER_DEVICE, path: path('a/b') }
  ])
})

test('contents: header, pages and chunks are found by id and prove themselves', async (t) => {
  const { index } = await openFresh(t)
  const large = contentList(0, Array.from({ length: 2500 }, (_, i) => ({ id: chunkId(Buffer.from(`${i % 2400}`)), length: 33_000 + (i % 7) })))
  const batch = index.batch()
  batch.setOwn(OWN)
  batch.putContent(large, tree('big'), BLOB)
  batch.putContent(list('tiny'), tree('tiny'), null)
  batch.putContent(list(), tree('empty'), null)
  await batch.flush()

  t.alike(await index.content(large.cid), { list: large, blob: BLOB })
  t.alike(await index.content(list('tiny').cid), { list: list('tiny'), blob: null })
  t.alike(await index.content(list().cid), { list: list(), blob: null })
  for (const content of [large, list('tiny'), list()]) {
    const header = await index.find(content.cid as unknown as ObjectId)
    if (header?.kind !== 'bytes') return t.fail('a header is bytes')
    t.is(contentId(header.data), content.cid)
    t.is(decodeHeader(header.data)?.size, content.size)
  }
  const header = await index.find(large.cid as unknown as ObjectId)
  const pages = header?.kind === 'bytes' ? (decodeHeader(header.data)?.pages ?? []) : []
  t.is(pages.length, 3)
  for (const id of pages) {
    const page = await index.find(id)
    t.is(page?.kind === 'bytes' ? pageId(page.data) : null, id)
  }
  const third = await index.find(pages[2] as ObjectId)
  t.is(third?.kind === 'bytes' ? decodePage(third.data, 0)?.length : null, 2500 - 2048)
  t.alike(await index.find(large.chunks[2]?.id as never), { kind: 'chunk', length: 33_002, at: [{ place: tree('big'), offset: 66_001, cid: large.cid }] })
  t.alike(await index.find(list('tiny').chunks[0]?.id as never), { kind: 'chunk', length: 4, at: [{ place: tree('tiny'), offset: 0, cid: list('tiny').cid }] })
  t.is(await index.find(chunkId(Buffer.from('unknown')) as never), null)
})

test('a blob counts in the generation in which it was put, null keeps it', async (t) => {
  const { index } = await openFresh(t)
  const first = index.batch()
  first.putContent(list('a'), tree('a'), BLOB)
  first.setOwn(OWN)
  await first.flush()
  const second = index.batch()
  second.putContent(list('a'), tree('b'), null)
  await second.flush()
  t.alike((await index.content(list('a').cid))?.blob, BLOB)
  const third = index.batch()
  third.setOwn({ ...OWN, generation: 4 })
  await third.flush()
  t.is((await index.content(list('a').cid))?.blob, null)
})

test('a content lives as long as one place of it', async (t) => {
  const { index } = await openFresh(t)
  const content = list('one', 'two')
  const put = index.batch()
  put.putContent(content, tree('a'), null)
  put.putContent(content, tree('a'), null)
  put.putContent(content, history('h1'), null)
  await put.flush()
  const more = index.batch()
  more.putContent(content, tree('b'), null)
  await more.flush()
  t.alike(await index.places(content.cid), [tree('a'), history('h1'), tree('b')])
  for (const [place, left] of [
    [tree('unknown'), 3],
    [tree('a'), 2],
    [history('h1'), 1]
  ] as const) {
    const batch = index.batch()
    batch.delPlace(content.cid, place)
    await batch.flush()
    t.is((await index.places(content.cid)).length, left)
    const found = await index.find(content.chunks[1]?.id as never)
    t.is(found?.kind === 'chunk' ? found.at.length : 0, left)
  }
  t.alike(await index.places(content.cid), [tree('b')])
  const last = index.batch()
  last.delPlace(content.cid, tree('b'))
  await last.flush()
  t.ok(await isForgotten(index, content))
})

test('places: the last wish of a batch counts', async (t) => {
  const { index } = await openFresh(t)
  const [a, b, c] = [list('a'), list('b'), list('c')]
  const first = index.batch()
  first.putContent(a, tree('p'), null)
  first.delPlace(a.cid, tree('p'))
  first.delPlace(b.cid, tree('q'))
  first.putContent(b, tree('q'), null)
  first.putContent(c, tree('r'), null)
  await first.flush()
  t.ok(await isForgotten(index, a))
  t.alike(await index.places(b.cid), [tree('q')])
  const moved = index.batch()
  moved.delPlace(c.cid, tree('r'))
  moved.putContent(c, history('kept'), null)
  await moved.flush()
  t.alike(await index.places(c.cid), [history('kept')], 'a move to history')
})

test('a chunk of several contents is found until the last of them goes', async (t) => {
  const { index } = await openFresh(t)
  const contents = [list('shared', 'x'), list('y', 'shared'), list('shared')]
  const put = index.batch()
  for (const [i, content] of contents.entries()) put.putContent(content, tree(`f${i}`), null)
  await put.flush()
  const shared = chunkId(Buffer.from('shared')) as unknown as ObjectId
  const places = async () => {
    const found = await index.find(shared)
    return found?.kind === 'chunk' ? found.at.map(({ place, offset }) => `${place.path}@${offset}`).sort() : null
  }
  t.alike(await places(), ['f0@0', 'f1@1', 'f2@0'])
  for (const [i, expected] of [
    [0, ['f1@1', 'f2@0']],
    [2, ['f1@1']],
    [1, null]
  ] as const) {
    const batch = index.batch()
    batch.delPlace(contents[i]?.cid as ContentId, tree(`f${i}`))
    await batch.flush()
    t.alike(await places(), expected as never)
  }
  const again = index.batch()
  for (const [i, content] of contents.entries()) again.putContent(content, tree(`f${i}`), null)
  await again.flush()
  const all = index.batch()
  for (const [i, content] of contents.entries()) all.delPlace(content.cid, tree(`f${i}`))
  await all.flush()
  for (const content of contents) t.ok(await isForgotten(index, content), 'all in one batch')
})

test('history rows by name and by path', async (t) => {
  const { index } = await openFresh(t)
  const entry = fileEntry(list('x'))
  const rows: HistoryRow[] = [
    { name: '1-a', path: path('d/a'), entry, at: 5, reason: 'replaced' },
    { name: '2-a', path: path('d/a'), entry, at: 6, reason: 'conflict' },
    { name: '3-b', path: path('d/ab'), entry, at: 7, reason: 'recovered' }
  ]
  const put = index.batch()
  for (const value of rows) put.putHistory(value)
  await put.flush()
  t.alike(await collect(index.history(null)), rows)
  t.alike(await collect(index.history(path('d/a'))), rows.slice(0, 2))
  const change = index.batch()
  change.delHistory('1-a')
  change.delHistory('none')
  change.putHistory({ ...(rows[1] as HistoryRow), path: path('elsewhere') })
  await change.flush()
  t.alike(await collect(index.history(path('d/a'))), [])
  t.is((await collect(index.history(path('elsewhere')))).length, 1)
  t.is((await collect(index.history(null))).length, 2)
})

test('a flush is whole or nothing', async (t) => {
  const { index } = await openFresh(t)
  const bad = index.batch()
  bad.putRow(path('good'), row(fileEntry(list('x'))))
  bad.putContent(list('x'), tree('good'), null)
  bad.putRow(path('bad'), row({ ...fileEntry(list('y')), mtime: '99999999999999999999' }))
  await t.exception.all(bad.flush())
  t.is(await index.row(path('good')), null)
  t.alike(index.totals, { files: 0, directories: 0, bytes: 0 })
  await t.exception(bad.flush(), /once/)
  const good = index.batch()
  good.putRow(path('good'), row(fileEntry(list('x'))))
  await good.flush()
  t.is(index.totals.files, 1)
})

test('batches flushed at the same time are all counted', async (t) => {
  const { index } = await openFresh(t)
  await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const batch = index.batch()
      batch.putRow(path(`f${i}`), row(fileEntry(list('x'))))
      batch.putRow(path('same'), row(i % 2 === 0 ? directoryEntry() : tombstoneEntry()))
      batch.putContent(list('x'), tree(`f${i}`), null)
      await batch.flush()
    })
  )
  t.is(index.totals.files, 30)
  t.ok(index.totals.directories <= 1)
  t.is((await index.places(list('x').cid)).length, 30)
})

test('everything is there after a restart, and folders do not meet', async (t) => {
  const folder = join(await t.tmp(), 'store')
  const store = await openStore(t, folder)
  const [first, other] = await Promise.all([openIndex(store, FOLDER), openIndex(store, OTHER_FOLDER)])
  const batch = first.batch()
  batch.setOwn(OWN)
  batch.putRow(path('a'), row(fileEntry(list('x'))))
  batch.setRemote(OTHER_DRIVE, { device: DEVICE, generation: 1, length: 5, fork: 2 })
  await batch.flush()
  t.is(await other.row(path('a')), null)
  t.is(other.own, null)
  await first.close()
  await other.close()
  await store.close()

  const again = await openStore(t, folder)
  const reopened = await openIndex(again, FOLDER)
  t.alike(reopened.own, OWN)
  t.alike(reopened.totals, { files: 1, directories: 0, bytes: 1 })
  t.alike(reopened.remoteCheckpoint(OTHER_DRIVE), { device: DEVICE, generation: 1, length: 5, fork: 2 })
  t.ok(await reopened.row(path('a')))
  await reopened.close()
  await dropIndex(again, FOLDER)
  const fresh = await openIndex(again, FOLDER)
  t.is(await fresh.row(path('a')), null)
  t.is(fresh.own, null)
  await fresh.close()
})

test('an index that is closed while children are read rejects, and gives no part of them', async (t) => {
  const { index } = await openFresh(t)
  const batch = index.batch()
  for (let i = 0; i < 3000; i++) batch.putRow(path(`f${i}`), row(tombstoneEntry()))
  await batch.flush()
  t.is((await index.children(path(''))).size, 3000)
  const reading = index.children(path(''))
  const closing = index.close()
  await t.exception(reading, /closed/)
  await closing
})

test('a damaged row among children is told, and nothing hangs', async (t) => {
  const { store, index } = await openFresh(t)
  const batch = index.batch()
  for (let i = 0; i < 600; i++) batch.putRow(path(`f${i}`), row(tombstoneEntry()))
  await batch.flush()
  for await (const { key, value } of store.index.iterator({ gte: Buffer.alloc(1), lt: Buffer.alloc(16, 0xff) })) {
    if (!key.toString('latin1').endsWith('f300')) continue
    const write = store.index.write({ autoDestroy: true })
    write.tryPut(key, value.subarray(0, -1))
    await write.flush()
  }
  await t.exception(index.children(path('')), /cannot read a row of the index/)
  await t.exception(index.children(path('')), /cannot read a row of the index/)
})

test('a closed index rejects, also in the middle of an iteration', async (t) => {
  const { index } = await openFresh(t)
  const batch = index.batch()
  for (let i = 0; i < 3000; i++) batch.putRow(path(`f${i}`), row(tombstoneEntry()))
  await batch.flush()
  const late = index.batch()
  late.putRow(path('late'), row(tombstoneEntry()))
  await t.exception(async () => {
    for await (const rows of index.all()) {
      t.is(rows.length, 1000)
      await index.close()
    }
  }, /closed/)
  await t.exception(index.row(path('f1')), /closed/)
  await t.exception(index.rows([path('f1')]), /closed/)
  await t.exception(index.remoteRows([path('f1')]), /closed/)
  await t.exception(index.children(path('')), /closed/)
  await t.exception(index.remoteChildren(path('')), /closed/)
  await t.exception(index.find(list('x').cid as never), /closed/)
  await t.exception(collect(index.all()), /closed/)
  await t.exception(collect(index.allRemote(DRIVE)), /closed/)
  await t.exception(late.flush(), /closed/)
  await t.exception(() => index.batch(), /closed/)
})
