/** Contents that a device foretells: fetched on its mere word, used by the statement that follows, forgotten where none does. */
import test from 'brittle'
import { FRESH_CHUNKS, MAX_FORETOLD } from '../../base/limits.ts'
import type { FolderContext } from '../../daemon/folder/context.ts'
import { stageFresh } from '../../daemon/folder/foretold.ts'
import type { Hint } from '../../daemon/folder/fetcher.ts'
import { RecentChunks } from '../../daemon/folder/recent-chunks.ts'
import type { FolderReport, Foretold, FreshFile } from '../../daemon/ports.ts'
import { chunkId, contentList, encodeHeader, encodePages, pageId } from '../../daemon/sync/content.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { DeviceId, ObjectId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import { cut } from '../fakes/disk-scan.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const SOON_MS = 200
const TEXT = 'what takes long to be stated'

/** A is about to state a file until `seal` is called; `asked`: what others ask A for. */
async function sealing(text = TEXT) {
  const world = await FolderWorld.open({ foretoldBytes: 1 }, { foretoldBytes: 1 })
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  let open = (): void => undefined
  a.drive.sealing = new Promise((resolve) => (open = resolve))
  const asked: ObjectId[] = []
  const answer = a.answer.bind(a)
  a.answer = (id) => {
    asked.push(id)
    return answer(id)
  }
  a.user.write('f', text)
  await world.rest(SOON_MS)
  const seal = (): void => {
    a.drive.sealing = null
    open()
  }
  return { world, a, b, asked, seal }
}

/** B hears A say something, true or not. */
function hear(a: FolderDevice, b: FolderDevice, report: Partial<FolderReport>): void {
  if (a.report !== null) b.reported(a.device, { ...a.report, ...report })
}

function foretell(text: string): Foretold {
  const { cid, size } = cut(Buffer.from(text))
  return { cid, size }
}

function staged(device: FolderDevice): number {
  return device.disk.staging.size
}

test('what is foretold is there before it is stated, gets no name without that, and is asked for once', async (t) => {
  const { world, a, b, asked, seal } = await sealing()
  t.alike(a.report?.foretold, [foretell(TEXT)])
  t.alike([a.drive.length, staged(b), b.files().length], [b.replicas.get(a.drive.key)?.length, 1, 0])
  const before = asked.length
  t.ok(before > 0)
  seal()
  await world.rest(SOON_MS)
  t.alike(b.files(), ['f'])
  t.is(asked.length, before)
  await world.rest()
  t.is(staged(b), 0)
  t.is(a.report?.foretold, undefined)
})

test('the file changes while its blocks are sealed: what was foretold is forgotten, and what stands there now comes', async (t) => {
  const { world, a, b, seal } = await sealing()
  a.user.write('f', 'something else by now')
  seal()
  await world.rest()
  t.alike([b.files(), staged(b)], [['f'], 0])
})

test('the device that foretold it goes before it has stated it: nothing is kept', async (t) => {
  const { world, a, b } = await sealing()
  t.is(staged(b), 1)
  a.kill()
  await world.rest()
  t.alike([staged(b), b.files()], [0, []])
  a.start()
  a.drive.sealing = null
  await world.rest()
  t.alike(b.files(), ['f'])
})

test('a kill of the receiver that has it staged: the start brings the file all the same', async (t) => {
  const { world, b, seal } = await sealing()
  b.kill()
  seal()
  b.start()
  await world.rest()
  t.alike([staged(b), b.files()], [0, ['f']])
})

test('a false size keeps nobody from having what is stated in truth', async (t) => {
  const world = await FolderWorld.open({}, { foretoldBytes: 1 })
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  hear(a, b, { foretold: [{ ...foretell(TEXT), size: 5 }] })
  await world.rest(SOON_MS)
  a.user.write('f', TEXT)
  await world.rest(SOON_MS)
  t.alike(b.files(), ['f'])
  await world.rest()
  t.is(staged(b), 0)
})

test('a device that foretells ever other contents, and is never read to the end of what it claims, keeps little here', async (t) => {
  const world = await FolderWorld.open({}, { foretoldBytes: 1 })
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  const texts = Array.from({ length: 10 * MAX_FORETOLD }, (_, i) => `content ${i}`)
  const objects = new Map<ObjectId, Buffer>()
  for (const text of texts) {
    const { cid, size, chunks } = cut(Buffer.from(text))
    const pages = encodePages(chunks)
    objects.set(cid as string as ObjectId, encodeHeader({ sizeClass: 0, size, pages: pages.map(pageId) }))
    for (const page of pages) objects.set(pageId(page), page)
    let offset = 0
    for (const { id, length } of chunks) objects.set(id as string as ObjectId, Buffer.from(text).subarray(offset, (offset += length)))
  }
  a.answer = async (id) => objects.get(id) ?? null
  for (let at = 0; at < texts.length; at += MAX_FORETOLD) {
    hear(a, b, { length: 1_000_000, foretold: texts.slice(at, at + MAX_FORETOLD).map(foretell) })
    await world.rest(5 * SOON_MS)
    t.ok(staged(b) > 0 && staged(b) <= 2 * MAX_FORETOLD + FRESH_CHUNKS, `${staged(b)} are staged`)
  }
  hear(a, b, {})
  await world.rest()
  t.is(staged(b), 0)
  t.alike(b.files(), [])
})

test('what is here already is not brought on a mere word', async (t) => {
  const world = await FolderWorld.open({}, { foretoldBytes: 1 })
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  b.user.write('f', TEXT)
  await world.rest()
  hear(a, b, { foretold: [foretell(TEXT)] })
  await world.rest(SOON_MS)
  t.is(staged(b), 0)
})

test('a paused device fetches nothing on a mere word', async (t) => {
  const world = await FolderWorld.open({}, { foretoldBytes: 1 })
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  await b.folder.pause()
  const asked: ObjectId[] = []
  a.answer = async (id) => {
    asked.push(id)
    return null
  }
  hear(a, b, { foretold: [foretell(TEXT)] })
  await world.rest(SOON_MS)
  t.alike(asked, [])
})

test('little contents are stated as soon as they would be foretold: nobody is told', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  const reports: FolderReport[] = []
  const reported = b.reported.bind(b)
  b.reported = (device, report) => {
    reports.push(report)
    reported(device, report)
  }
  a.user.write('f', TEXT)
  await world.rest()
  t.ok(reports.length > 0)
  t.ok(reports.every(({ foretold }) => foretold === undefined))
  t.alike(b.files(), ['f'])
})

test('bytes that came ahead of a statement are staged while it is written down: of a few statements, and not of what is ignored', (t) => {
  const recent = new RecentChunks()
  const told: string[] = []
  const likely: unknown[] = []
  const foretell = (hint: Hint): void => {
    told.push(hint.cid)
    likely.push(hint.likely)
  }
  // SAFETY: it asks for nothing else.
  const context = { recent, rules: { ignored: (path: PathKey) => path === 'ignored' }, fetcher: { foretell } } as unknown as FolderContext
  const stated = (path: string, text: string): { path: PathKey; entry: Entry } => {
    const chunk = chunkId(Buffer.from(text))
    return { path: path as PathKey, entry: { kind: 'file', vv: {}, dots: [], mdot: ['0'.repeat(16) as WriterId, 1], size: text.length, mtime: '0', mode: 0o644, cid: contentList(0, [{ id: chunk, length: text.length }]).cid, chunk } }
  }
  const here = stated('here', 'few')
  recent.take(Buffer.from('few'))
  const device = 'd'.repeat(64) as DeviceId
  stageFresh(context, device, [here, stated('elsewhere', 'other'), { ...here, path: 'ignored' as PathKey }, { path: 'gone' as PathKey, entry: null }])
  t.alike(told, [String(here.entry.kind === 'file' ? here.entry.cid : '')])
  t.alike(likely, [{ mode: 0o644, mtime: '0' }], 'so that all of it is on the disk by then')
  stageFresh(context, device, Array.from({ length: FRESH_CHUNKS + 1 }, () => here))
  t.is(told.length, 1)
})

test('a paused device stages nothing that it was sent', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  await b.folder.pause()
  b.folder.takeAhead(a.device, [fresh('few')])
  await world.rest(SOON_MS)
  t.is(staged(b), 0)
})

test('R52: a tiny file is staged with all that it will have before it is stated, and is not asked for', async (t) => {
  const world = await FolderWorld.open({ ahead: true }, {})
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  let asked = 0
  a.answer = async () => {
    asked++
    return null
  }
  let open = (): void => undefined
  a.drive.sealing = new Promise((resolve) => (open = resolve))
  a.user.write('f', 'few')
  await world.rest(SOON_MS)
  t.alike([staged(b), b.files(), b.replicas.get(a.drive.key)?.length], [1, [], 0], 'nothing is stated so far')
  // It has other things to do meanwhile, and tidies up behind them.
  b.user.write('g', '')
  await world.rest(SOON_MS)
  t.alike([staged(b), b.files()], [1, ['g']], 'kept as long as the other device is about to state something')
  a.drive.sealing = null
  open()
  await world.rest()
  t.alike([staged(b), b.files().sort(), asked], [0, ['f', 'g'], 0])
})

test('R52: what came ahead of a statement that does not come is forgotten', async (t) => {
  const world = await FolderWorld.open({ ahead: true }, {})
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  a.drive.sealing = new Promise(() => undefined)
  a.user.write('f', 'few')
  await world.rest(SOON_MS)
  t.is(staged(b), 1)
  a.kill()
  await world.rest()
  t.alike([staged(b), b.files()], [0, []])
})

test('a device that is ahead without end is not listened to', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  hear(a, b, { length: 1_000_000 })
  for (let i = 0; i < 100; i++) b.folder.takeAhead(a.device, Array.from({ length: FRESH_CHUNKS }, (_, j) => fresh(`content ${i} ${j}`)))
  await world.rest(SOON_MS)
  t.is(staged(b), MAX_FORETOLD + FRESH_CHUNKS)
  hear(a, b, {})
  await world.rest()
  t.is(staged(b), 0)
})

test('what came ahead with another mode than is stated then gets the one that is stated', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as [FolderDevice, FolderDevice]
  b.folder.takeAhead(a.device, [{ ...fresh('few'), mode: 0o777 }])
  await world.rest(SOON_MS)
  a.user.write('f', 'few')
  await world.rest()
  const [of, at] = [a, b].map((device) => new Map(device.disk.tree.walk()).get('f' as PathKey))
  t.alike([at?.mode, at?.kind], [of?.mode, 'file'])
})

function fresh(text: string): FreshFile {
  return { bytes: Buffer.from(text), mode: 0o644, mtime: '0' }
}

test('a disk without room for what is foretold is the problem of a path once one needs it, and heals', async (t) => {
  const { world, a, b, seal } = await sealing('to begin with')
  seal()
  await world.rest()
  t.alike(b.files(), ['f'])
  b.disk.full = true
  let open = (): void => undefined
  a.drive.sealing = new Promise((resolve) => (open = resolve))
  a.user.write('g', TEXT)
  await world.rest(SOON_MS)
  t.alike(a.report?.foretold, [foretell(TEXT)])
  t.alike([staged(b), b.folder.status().problems], [0, []])
  a.drive.sealing = null
  open()
  await world.rest(SOON_MS)
  t.alike(b.folder.status().problems.map(({ path, code }) => [path, code]), [['g', 'ENOSPC']])
  b.disk.full = false
  await world.rest()
  t.alike([b.files(), staged(b)], [['f', 'g'], 0])
})
