/** What every `FolderIndex` must do, by the words of daemon/ports.ts. Runs on the fake and on the real one. */
import test, { type Assert } from 'brittle'
import type { FolderIndex, HistoryRow, Place, RemoteRow, Row } from '../../daemon/ports.ts'
import { chunkId, contentId, contentList, decodeHeader, decodePage, encodePages, pageId, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry, FileEntry } from '../../daemon/sync/entry.ts'
import type { ChunkId, DeviceId, DriveKey, ObjectId, PathKey, WriterId } from '../../daemon/sync/ids.ts'

export interface IndexBench {
  index: FolderIndex
  /** The daemon ends and starts again. */
  reopen(): Promise<void>
}

const WRITER = '0123456789abcdef' as WriterId
const DEVICE = 'd1'.repeat(32) as DeviceId
const OTHER_DEVICE = 'd2'.repeat(32) as DeviceId
const DRIVE = 'a1'.repeat(32) as DriveKey
const OTHER_DRIVE = 'a2'.repeat(32) as DriveKey
const OWN = { drive: DRIVE, generation: 3, writer: WRITER, counter: 41, length: 17, epoch: 5 } as const

type Check = (what: string, run: (t: Assert, bench: IndexBench) => Promise<void>) => void

export function indexContract(name: string, makeBench: (t: Assert) => Promise<IndexBench>): void {
  const check: Check = (what, run) => {
    test(`${name} index: ${what}`, async (t) => await run(t, await makeBench(t)))
  }
  rows(check)
  remotes(check)
  contents(check)
  listing(check)
  others(check)
}

function rows(check: Check): void {
  check('a new one is empty', async (t, { index }) => {
    t.is(index.own, null)
    t.alike(index.totals, { files: 0, directories: 0, bytes: 0 })
    t.is(await index.row(key('a')), null)
    t.alike(await index.rows([key('a'), key('')]), [null, null])
    t.is((await index.children(key(''))).size, 0)
    t.alike(await collect(index.all()), [])
    t.alike(await collect(index.divergent()), [])
    t.alike(await collect(index.history(null)), [])
  })

  check('nothing is visible before the flush, everything after it', async (t, { index }) => {
    const batch = index.batch()
    batch.putRow(key('a'), row(file('one')))
    batch.setOwn(OWN)
    t.ok(batch.size >= 1)
    t.is(await index.row(key('a')), null)
    t.is(index.own, null)
    await batch.flush()
    t.alike(await index.row(key('a')), row(file('one')))
    t.alike(index.own, OWN)
  })

  check('every field of a row comes back', async (t, bench) => {
    const given: [string, Row][] = [
      ['file', { entry: { ...file('one'), mtime: '-1000', vv: { [WRITER]: 9, fedcba9876543210: 2 ** 40 } }, seen: { ino: '18446744073709551615', size: 3, mtimeNs: '-1', ctimeNs: '99', mode: 0o100644 } }],
      ['dir', { entry: directory(), seen: null, ignored: true }],
      ['gone', { entry: tombstone(), seen: null }],
      ['shadow', { entry: { ...tombstone(), approved: true }, seen: { ino: '1', size: 4096, mtimeNs: '1', ctimeNs: '1', mode: 0o40755 }, shadow: true }],
      ['link', { entry: symlink('../ä\n'), seen: null, blocked: { code: 'EACCES', message: 'cannot' } }]
    ]
    const batch = bench.index.batch()
    for (const [path, value] of given) batch.putRow(key(path), value)
    await batch.flush()
    for (const [path, value] of given) t.alike(await bench.index.row(key(path)), value, path)
    await bench.reopen()
    for (const [path, value] of given) t.alike(await bench.index.row(key(path)), value, `${path} after a restart`)
  })

  check('reads around a flush bring the old or the new, and the new from then on', async (t, { index }) => {
    for (let round = 0; round < 20; round++) {
      const batch = index.batch()
      batch.putRow(key('a'), row(file(`round ${round}`)))
      batch.putRemote(key('a'), remote(file(`round ${round}`), DEVICE, DRIVE, 1))
      const early = [index.row(key('a')), index.remoteRows([key('a')])]
      const flushed = batch.flush()
      const late = [index.row(key('a')), index.rows([key('a')])]
      await flushed
      t.alike(await index.row(key('a')), row(file(`round ${round}`)))
      t.alike(await index.remoteRows([key('a')]), [[remote(file(`round ${round}`), DEVICE, DRIVE, 1)]])
      await Promise.all([...early, ...late])
      t.alike(await index.rows([key('a')]), [row(file(`round ${round}`))])
      const gone = index.batch()
      gone.delRow(key('a'))
      gone.delRemote(key('a'), DRIVE)
      await gone.flush()
      t.is(await index.row(key('a')), null)
      t.alike(await index.remoteRows([key('a')]), [[]])
    }
  })

  check('children are the direct ones, tombstones included, whatever sorts between', async (t, { index }) => {
    const names = ['a', 'a/b', 'a/b/c', 'a/z', 'a-', 'a-/x', 'a.txt', 'a/\u0001', 'a/é', 'a0', 'b', 'aa/b']
    await put(index, ...names.map((name) => [name, row(directory())] as const), ['a/gone', row(tombstone())])
    t.alike([...(await index.children(key(''))).keys()].sort(), ['a', 'a-', 'a.txt', 'a0', 'b'])
    t.alike([...(await index.children(key('a'))).keys()].sort(), ['\u0001', 'b', 'gone', 'z', 'é'])
    t.alike([...(await index.children(key('a/b'))).keys()], ['c'])
    t.is((await index.children(key('nowhere'))).size, 0)
    t.alike((await index.children(key('a'))).get('gone'), row(tombstone()))
  })

  check('rows come in the order asked for, with null for what is not there', async (t, { index }) => {
    await put(index, ['a', row(directory())], ['b', row(file('b'))])
    t.alike(await index.rows([key('b'), key('x'), key('a'), key('b')]), [row(file('b')), null, row(directory()), row(file('b'))])
    t.alike(await index.rows([]), [])
  })

  check('a row that is deleted is gone from all views', async (t, { index }) => {
    await put(index, ['a', row(file('a'))], ['b', row(file('b'))])
    const batch = index.batch()
    batch.delRow(key('a'))
    batch.delRow(key('never'))
    await batch.flush()
    t.is(await index.row(key('a')), null)
    t.alike([...(await index.children(key(''))).keys()], ['b'])
    t.alike((await collect(index.all())).map((item) => item.path), [key('b')])
  })

  check('the last word of a batch on a path counts', async (t, { index }) => {
    const batch = index.batch()
    batch.putRow(key('a'), row(file('one')))
    batch.putRow(key('a'), row(file('three')))
    batch.putRow(key('b'), row(file('b')))
    batch.delRow(key('b'))
    await batch.flush()
    t.alike(await index.row(key('a')), row(file('three')))
    t.is(await index.row(key('b')), null)
    t.alike(index.totals, { files: 1, directories: 0, bytes: 5 })
  })

  check('totals follow every change and outlive the daemon', async (t, bench) => {
    await put(bench.index, ['a', row(file('one'))], ['d', row(directory())], ['d/b', row(file('seven b'))], ['gone', row(tombstone())])
    t.alike(bench.index.totals, { files: 2, directories: 1, bytes: 10 })
    await put(bench.index, ['a', row(file('longer'))], ['d/b', row(tombstone())])
    t.alike(bench.index.totals, { files: 1, directories: 1, bytes: 6 })
    await bench.reopen()
    t.alike(bench.index.totals, { files: 1, directories: 1, bytes: 6 })
  })

  check('rows that are counted anew give the totals that followed every change', async (t, bench) => {
    const ignored = { ...row(file('hidden')), ignored: true as const }
    await put(bench.index, ['a', row(file('one'))], ['d', row(directory())], ['d/b', row(file('seven b'))], ['gone', row(tombstone())], ['hidden', ignored])
    await put(bench.index, ['a', row(file('longer'))])
    const followed = bench.index.totals
    t.alike(followed, { files: 2, directories: 1, bytes: 13 })
    await bench.index.recount()
    t.alike(bench.index.totals, followed)
    await bench.reopen()
    t.alike(bench.index.totals, followed)
  })

  check('all rows come, in batches', async (t, { index }) => {
    const names = Array.from({ length: 2500 }, (_, i) => `d${i % 7}/f${i}`)
    await put(index, ...names.map((name) => [name, row(directory())] as const))
    t.alike((await collect(index.all())).map((item) => item.path as string).sort(), [...names].sort())
  })

  check('the live rows with the name of a conflict copy are listed', async (t, bench) => {
    const copy = 'd/a.sync-conflict-abcdefghij.txt'
    const link = 'b.sync-conflict-2345672345'
    const listed = async (): Promise<string[]> => (await collect(bench.index.copies())).map(String).sort()
    t.alike(await listed(), [])
    await put(bench.index, ['a', row(file('a'))], [copy, row(file('x'))], [link, row(symlink('a'))], ['gone.sync-conflict-abcdefghij', row(tombstone())])
    t.alike(await listed(), [link, copy])
    await bench.reopen()
    t.alike(await listed(), [link, copy], 'after a restart')
    await put(bench.index, [copy, row(tombstone())])
    t.alike(await listed(), [link])
    const batch = bench.index.batch()
    batch.delRow(key(link))
    await batch.flush()
    t.alike(await listed(), [])
  })

  check('which ignore rules were applied outlives the daemon', async (t, bench) => {
    t.is(bench.index.rules, null)
    const batch = bench.index.batch()
    batch.setRules('ab'.repeat(32))
    t.is(bench.index.rules, null, 'not before the flush')
    await batch.flush()
    t.is(bench.index.rules, 'ab'.repeat(32))
    await bench.reopen()
    t.is(bench.index.rules, 'ab'.repeat(32))
  })

  check('R46: a directory that moved is known to be until it is over, also after a restart', async (t, bench) => {
    t.is(bench.index.relocation, null)
    const relocation = { device: 'ab'.repeat(32) as DeviceId, ino: '77', from: key('d'), to: key('e/d') }
    const batch = bench.index.batch()
    batch.setRelocation(relocation)
    t.is(bench.index.relocation, null, 'not before the flush')
    await batch.flush()
    await put(bench.index, ['a', row(file('a'))])
    t.alike(bench.index.relocation, relocation, 'other rows change nothing about it')
    await bench.reopen()
    t.alike(bench.index.relocation, relocation)
    const end = bench.index.batch()
    end.setRelocation(null)
    await end.flush()
    await bench.reopen()
    t.is(bench.index.relocation, null)
  })

  check('when history was looked at last is known, also after a restart', async (t, bench) => {
    t.is(bench.index.historyClock, null)
    for (const clock of [{ lookedAt: 1_700_000_000_000, set: { at: 1_600_000_000_001, skipped: Number.MAX_SAFE_INTEGER }, away: { at: 1_700_000_000_001, skipped: 5 } }, { lookedAt: 1, set: { at: 2, skipped: 3 }, away: { at: 4, skipped: 5 } }]) {
      const batch = bench.index.batch()
      batch.setHistoryClock(clock)
      await batch.flush()
      await put(bench.index, ['a', row(file('a'))])
      t.alike(bench.index.historyClock, clock, 'other rows change nothing about it')
      await bench.reopen()
      t.alike(bench.index.historyClock, clock)
    }
  })

  check('batches flushed at once are all kept', async (t, { index }) => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => put(index, [`f${i}`, row(file(`${i}`))])))
    t.is((await collect(index.all())).length, 20)
    t.is(index.totals.files, 20)
  })
}

function remotes(check: Check): void {
  check('statements of several drives stand side by side', async (t, bench) => {
    const batch = bench.index.batch()
    batch.putRemote(key('a'), remote(file('mine'), DEVICE, DRIVE, 1))
    batch.putRemote(key('a'), remote(tombstone(), OTHER_DEVICE, OTHER_DRIVE, 4))
    batch.putRemote(key('b'), remote(directory(), OTHER_DEVICE, OTHER_DRIVE, 4))
    await batch.flush()
    const check = async (): Promise<void> => {
      const [a, b, c] = await bench.index.remoteRows([key('a'), key('b'), key('c')])
      t.alike([...(a ?? [])].sort(byGeneration), [remote(file('mine'), DEVICE, DRIVE, 1), remote(tombstone(), OTHER_DEVICE, OTHER_DRIVE, 4)])
      t.alike([b, c], [[remote(directory(), OTHER_DEVICE, OTHER_DRIVE, 4)], []])
    }
    await check()
    await bench.reopen()
    await check()
  })

  check('what was read of a path changes with a second drive and a drive that goes', async (t, { index }) => {
    const told = async (): Promise<readonly string[]> => ((await index.remoteRows([key('a')]))[0] ?? []).map((item) => `${item.drive.slice(0, 2)} ${item.device.slice(0, 2)} ${item.generation} ${item.entry.kind}`).sort()
    const say = async (row: RemoteRow): Promise<void> => {
      const batch = index.batch()
      batch.putRemote(key('a'), row)
      await batch.flush()
    }
    t.alike(await told(), [])
    await say(remote(file('one'), DEVICE, DRIVE, 1))
    t.alike(await told(), ['a1 d1 1 file'])
    await say(remote(directory(), OTHER_DEVICE, OTHER_DRIVE, 1))
    t.alike(await told(), ['a1 d1 1 file', 'a2 d2 1 directory'])
    await say(remote(tombstone(), DEVICE, DRIVE, 1))
    t.alike(await told(), ['a1 d1 1 tombstone', 'a2 d2 1 directory'])
    const none = index.batch()
    none.dropRemote(OTHER_DRIVE)
    await none.flush()
    t.alike(await told(), ['a1 d1 1 tombstone'])
  })

  check('one statement is forgotten, or all of a drive with its checkpoint', async (t, { index }) => {
    const batch = index.batch()
    for (const path of ['a', 'b', 'd/c']) batch.putRemote(key(path), remote(directory(), DEVICE, DRIVE, 1))
    batch.putRemote(key('a'), remote(directory(), OTHER_DEVICE, OTHER_DRIVE, 1))
    batch.setRemote(DRIVE, { device: DEVICE, generation: 1, length: 7, fork: 0 })
    await batch.flush()
    t.alike(index.remoteCheckpoint(DRIVE), { device: DEVICE, generation: 1, length: 7, fork: 0 })
    t.is(index.remoteCheckpoint(OTHER_DRIVE), null)
    const less = index.batch()
    less.delRemote(key('b'), DRIVE)
    await less.flush()
    t.alike((await collect(index.allRemote(DRIVE))).map((item) => item.path as string).sort(), ['a', 'd/c'])
    const none = index.batch()
    none.dropRemote(DRIVE)
    await none.flush()
    t.is(index.remoteCheckpoint(DRIVE), null)
    t.alike(await collect(index.allRemote(DRIVE)), [])
    t.alike((await index.remoteRows([key('a')]))[0]?.map((item) => item.drive), [OTHER_DRIVE])
    t.alike([...(await index.remoteChildren(key('d')))], [])
  })

  check('names below a directory of which any drive speaks', async (t, { index }) => {
    const batch = index.batch()
    for (const path of ['d/a', 'd/b/c', 'd-', 'd']) batch.putRemote(key(path), remote(directory(), DEVICE, DRIVE, 1))
    batch.putRemote(key('d/gone'), remote(tombstone(), OTHER_DEVICE, OTHER_DRIVE, 1))
    batch.putRemote(key('d/a'), remote(tombstone(), OTHER_DEVICE, OTHER_DRIVE, 1))
    await batch.flush()
    t.alike([...(await index.remoteChildren(key('d')))].sort(), ['a', 'gone'])
    t.alike([...(await index.remoteChildren(key('')))].sort(), ['d', 'd-'])
  })

  check('divergent marks are set once and unset', async (t, bench) => {
    const batch = bench.index.batch()
    batch.setDivergent(DEVICE, key('a'), true)
    batch.setDivergent(DEVICE, key('a'), true)
    batch.setDivergent(OTHER_DEVICE, key('a'), true)
    batch.setDivergent(DEVICE, key('b'), true)
    batch.setDivergent(DEVICE, key('b'), false)
    await batch.flush()
    await bench.reopen()
    const marks = (await collect(bench.index.divergent())).map((mark) => `${mark.device.slice(0, 2)} ${mark.path}`).sort()
    t.alike(marks, ['d1 a', 'd2 a'])
    const less = bench.index.batch()
    less.setDivergent(DEVICE, key('a'), false)
    await less.flush()
    t.is((await collect(bench.index.divergent())).length, 1)
  })
}

function contents(check: Check): void {
  check('a content is found with its list and its blob, after a restart too', async (t, bench) => {
    const content = list('first', 'second', 'first')
    const blob = { blockOffset: 4, blockLength: 3, byteOffset: 100, byteLength: 16 }
    await hold(bench.index, content, tree('a'), blob)
    t.alike(await bench.index.content(content.cid), { list: content, blob })
    t.is(await bench.index.content(list('other').cid), null)
    await bench.reopen()
    t.alike(await bench.index.content(content.cid), { list: content, blob })
  })

  check('a blob lies in the drive that the index names, or in the next one if the batch says so', async (t, { index }) => {
    const name = async (generation: number): Promise<void> => {
      const batch = index.batch()
      batch.setOwn({ ...OWN, generation })
      await batch.flush()
    }
    const blob = { blockOffset: 4, blockLength: 1, byteOffset: 100, byteLength: 3 }
    const [stays, moves] = [list('stays'), list('moves')]
    await name(3)
    for (const content of [stays, moves]) await hold(index, content, tree(content.cid), blob)
    const batch = index.batch()
    batch.blobsIn(4)
    batch.putContent(moves, tree(moves.cid), { ...blob, blockOffset: 9 })
    await batch.flush()
    t.alike((await index.content(stays.cid))?.blob, blob)
    t.is((await index.content(moves.cid))?.blob, null, 'the next drive is not that of the index yet')
    await name(4)
    t.is((await index.content(stays.cid))?.blob, null, 'it lies in the former one')
    t.alike((await index.content(moves.cid))?.blob, { ...blob, blockOffset: 9 })
  })

  check('a drive that goes on with the blobs of an earlier one has them where they were, after a restart of the index too', async (t, bench) => {
    const { index } = bench
    const name = async (generation: number, from?: number): Promise<void> => {
      const batch = index.batch()
      batch.setOwn({ ...OWN, generation, ...(from === undefined ? {} : { blobsFrom: from }) })
      await batch.flush()
    }
    const blob = { blockOffset: 4, blockLength: 1, byteOffset: 100, byteLength: 3 }
    const [old, added] = [list('old'), list('added')]
    await name(3)
    await hold(index, old, tree(old.cid), blob)
    await name(7, 3)
    await hold(index, added, tree(added.cid), { ...blob, blockOffset: 9 })
    for (const restart of [false, true]) {
      if (restart) await bench.reopen()
      t.is(bench.index.own?.blobsFrom, 3)
      t.alike((await bench.index.content(old.cid))?.blob, blob)
      t.alike((await bench.index.content(added.cid))?.blob, { ...blob, blockOffset: 9 })
    }
  })

  check('without a blob what is known of it stays', async (t, { index }) => {
    const content = list('one')
    const blob = { blockOffset: 1, blockLength: 1, byteOffset: 0, byteLength: 3 }
    await hold(index, content, tree('a'), blob)
    await hold(index, content, tree('b'), null)
    t.alike((await index.content(content.cid))?.blob, blob)
  })

  check('a content goes with its last place', async (t, { index }) => {
    const content = list('one', 'two')
    await hold(index, content, tree('a'), null)
    await hold(index, content, { area: 'history', path: 'a' }, null)
    await hold(index, content, tree('a'), null)
    t.alike((await index.places(content.cid)).map(placeLine).sort(), ['history a', 'tree a'])
    await drop(index, content, tree('a'))
    t.alike((await index.places(content.cid)).map(placeLine), ['history a'])
    t.ok(await index.content(content.cid))
    await drop(index, content, { area: 'history', path: 'a' })
    t.is(await index.content(content.cid), null)
    t.alike(await index.places(content.cid), [])
    for (const id of [content.cid, content.chunks[0]?.id]) t.is(await index.find(object(id)), null)
  })

  check('the header and the pages of a list are found and prove it', async (t, { index }) => {
    const content = list(...Array.from({ length: 1025 }, (_, i) => `chunk ${i}`))
    await hold(index, content, tree('big'), null)
    const found = await index.find(object(content.cid))
    const header = found?.kind === 'bytes' ? decodeHeader(found.data, 1) : null
    if (found?.kind !== 'bytes' || header === null) return t.fail('no header')
    t.is(contentId(found.data), content.cid)
    t.is(header.pages.length, 2)
    const chunks = []
    for (const page of header.pages) {
      const bytes = await index.find(page)
      if (bytes?.kind !== 'bytes') return t.fail('no page')
      t.is(pageId(bytes.data), page)
      chunks.push(...(decodePage(bytes.data, header.sizeClass) ?? []))
    }
    t.alike(chunks, content.chunks)
  })

  check('where only a chunk is asked for, a header and a page are not found', async (t, { index }) => {
    const content = list('one', 'two')
    await hold(index, content, tree('a'), null)
    t.is(await index.find(object(content.cid), 'chunk'), null)
    for (const page of encodePages(content.chunks)) t.is(await index.find(pageId(page), 'chunk'), null)
    t.is((await index.find(object(content.chunks[0]?.id), 'chunk'))?.kind, 'chunk')
  })

  check('an empty content has a header and no pages', async (t, { index }) => {
    const content = list()
    await hold(index, content, tree('empty'), null)
    const found = await index.find(object(content.cid))
    t.is(found?.kind === 'bytes' ? contentId(found.data) : null, content.cid)
    t.alike((await index.content(content.cid))?.list, content)
  })

  check('a chunk is found at every place and offset of every content that has it', async (t, { index }) => {
    const shared = 'shared'
    await hold(index, list('before', shared), tree('a'), null)
    await hold(index, list(shared, 'after'), tree('b'), null)
    await hold(index, list(shared, 'after'), { area: 'history', path: 'h' }, null)
    const found = await index.find(object(chunkId(Buffer.from(shared))))
    if (found?.kind !== 'chunk') return t.fail('no chunk')
    t.is(found.length, shared.length)
    t.alike(found.at.map(({ place, offset }) => `${placeLine(place)} ${offset}`).sort(), ['history h 0', 'tree a 6', 'tree b 0'])
    await drop(index, list('before', shared), tree('a'))
    const left = await index.find(object(chunkId(Buffer.from(shared))))
    t.is(left?.kind === 'chunk' ? left.at.length : 0, 2)
  })

  check('a page that two contents share outlives one of them', async (t, { index }) => {
    const texts = Array.from({ length: 1024 }, (_, i) => `chunk ${i}`)
    const [short, long] = [list(...texts), list(...texts, 'one more')]
    await hold(index, short, tree('a'), null)
    await hold(index, long, tree('b'), null)
    await drop(index, short, tree('a'))
    t.alike((await index.content(long.cid))?.list, long)
    const page = encodePages(long.chunks).map(pageId)[0]
    t.is((await index.find(page as ObjectId))?.kind, 'bytes')
  })

  check('a place moves from one content to the next in one batch', async (t, { index }) => {
    const [old, fresh] = [list('old'), list('new')]
    await hold(index, old, tree('a'), null)
    const batch = index.batch()
    batch.putContent(fresh, tree('a'), null)
    batch.delPlace(old.cid, tree('a'))
    await batch.flush()
    t.is(await index.content(old.cid), null)
    t.alike((await index.places(fresh.cid)).map(placeLine), ['tree a'])
  })
}

function listing(check: Check): void {
  check('every content is listed with its places', async (t, { index }) => {
    t.alike(await collect(index.contents()), [])
    const [one, two] = [list('one'), list('two', 'parts')]
    const batch = index.batch()
    batch.putContent(one, { area: 'tree', path: key('a') }, null)
    batch.putContent(one, { area: 'tree', path: key('b') }, null)
    batch.putContent(two, { area: 'history', path: '2026-01-01T00/x' }, null)
    await batch.flush()
    const found = new Map((await collect(index.contents())).map(({ cid, places }) => [cid, places.map(({ area, path }) => `${area} ${path}`).sort()]))
    t.alike(found, new Map([[one.cid, ['tree a', 'tree b']], [two.cid, ['history 2026-01-01T00/x']]]))
  })
}

function others(check: Check): void {
  check('history rows come for all paths or for one', async (t, bench) => {
    const row = (name: string, path: string, at: number): HistoryRow => ({ name, path: key(path), entry: file(name), at, reason: 'replaced' })
    const batch = bench.index.batch()
    for (const item of [row('1', 'a', 1), row('2', 'b', 2), row('3', 'a', 3)]) batch.putHistory(item)
    await batch.flush()
    await bench.reopen()
    t.alike((await collect(bench.index.history(key('a')))).map((item) => item.name).sort(), ['1', '3'])
    t.is((await collect(bench.index.history(null))).length, 3)
    const less = bench.index.batch()
    less.delHistory('1')
    await less.flush()
    t.alike(await collect(bench.index.history(key('a'))), [row('3', 'a', 3)])
  })

  check('checkpoints outlive the daemon', async (t, bench) => {
    const batch = bench.index.batch()
    batch.setOwn(OWN)
    batch.setRemote(OTHER_DRIVE, { device: OTHER_DEVICE, generation: 2, length: 9, fork: 1 })
    await batch.flush()
    await bench.reopen()
    t.alike(bench.index.own, OWN)
    t.alike(bench.index.remoteCheckpoint(OTHER_DRIVE), { device: OTHER_DEVICE, generation: 2, length: 9, fork: 1 })
  })

  check('an empty batch can be flushed', async (t, { index }) => {
    const batch = index.batch()
    t.is(batch.size, 0)
    await batch.flush()
    t.alike(await collect(index.all()), [])
  })
}

// ------------------------------------------------------------------------------------------------ helpers

function key(path: string): PathKey {
  return path as PathKey
}

function object(id: string | undefined): ObjectId {
  return id as ObjectId
}

function tree(path: string): Place {
  return { area: 'tree', path }
}

function placeLine(place: Place): string {
  return `${place.area} ${place.path}`
}

function byGeneration(a: RemoteRow, b: RemoteRow): number {
  return a.generation - b.generation
}

function list(...texts: readonly string[]): ContentList {
  return contentList(0, texts.map((text) => ({ id: chunkId(Buffer.from(text)), length: Buffer.byteLength(text) })))
}

const VERSION = { vv: { [WRITER]: 1 }, dots: [[WRITER, 1]] } as const

function file(text: string): FileEntry {
  const content = list(text)
  return { kind: 'file', ...VERSION, mdot: [WRITER, 1], mode: 0o644, size: content.size, mtime: '1700000000123456000', cid: content.cid, chunk: content.chunks[0]?.id as ChunkId }
}

function directory(): Entry {
  return { kind: 'directory', ...VERSION, mdot: [WRITER, 1], mode: 0o755 }
}

function symlink(target: string): Entry {
  return { kind: 'symlink', ...VERSION, mtime: '1000', target }
}

function tombstone(): Extract<Entry, { kind: 'tombstone' }> {
  return { kind: 'tombstone', ...VERSION }
}

function row(entry: Entry): Row {
  return { entry, seen: null }
}

function remote(entry: Entry, device: DeviceId, drive: DriveKey, generation: number): RemoteRow {
  return { device, drive, generation, entry }
}

async function put(index: FolderIndex, ...given: (readonly [string, Row])[]): Promise<void> {
  const batch = index.batch()
  for (const [path, value] of given) batch.putRow(key(path), value)
  await batch.flush()
}

async function hold(index: FolderIndex, content: ContentList, place: Place, blob: Parameters<ReturnType<FolderIndex['batch']>['putContent']>[2]): Promise<void> {
  const batch = index.batch()
  batch.putContent(content, place, blob)
  await batch.flush()
}

async function drop(index: FolderIndex, content: ContentList, place: Place): Promise<void> {
  const batch = index.batch()
  batch.delPlace(content.cid, place)
  await batch.flush()
}

async function collect<T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> {
  const items: T[] = []
  for await (const batch of batches) items.push(...batch)
  return items
}
