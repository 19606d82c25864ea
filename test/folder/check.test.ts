/** The checker on fakes: each kind of damage is planted, found, and mended; what is under way is no finding. */
import test, { type Assert } from 'brittle'
import type { CheckReport, FaultCode } from '../../daemon/folder/check.ts'
import type { Row } from '../../daemon/ports.ts'
import type { FileEntry } from '../../daemon/sync/entry.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const NEVER = new AbortController().signal
const key = (path: string): PathKey => path as PathKey

interface Bench {
  readonly made: FolderWorld
  readonly a: FolderDevice
  readonly b: FolderDevice
}

/** Two devices with a tree, an old version in b's history, and a deletion. */
async function bench(): Promise<Bench> {
  const made = await FolderWorld.open({}, {})
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.mkdir('d')
  a.user.write('d/file', 'a file of several chunks, so that it has a list')
  a.user.write('doc', 'before')
  a.user.write('gone', 'gone')
  a.user.symlink('link', 'doc')
  await made.rest()
  a.user.write('doc', 'after it')
  a.user.remove('gone')
  await made.rest()
  return { made, a, b }
}

async function check({ made }: Bench, device: FolderDevice, repair = false): Promise<CheckReport> {
  return await made.whenDone(device.folder.check(repair, NEVER))
}

function codes(report: CheckReport): FaultCode[] {
  return report.findings.map(({ code }) => code).sort()
}

function row(device: FolderDevice, path: string): Row {
  const found = device.index.rows.get(key(path))
  if (found === undefined) throw new Error(`no row of ${path}`)
  return found
}

function fileRow(device: FolderDevice, path: string): Row & { readonly entry: FileEntry } {
  const found = row(device, path)
  if (found.entry.kind !== 'file') throw new Error(`${path} is no file`)
  return { ...found, entry: found.entry }
}

/** Found without a repair, which changes nothing; found and mended with one (what only follows is mended with its cause); then clean, and all devices alike. */
async function foundAndMended(t: Assert, world: Bench, device: FolderDevice, expected: readonly FaultCode[], mending = expected): Promise<CheckReport> {
  const found = await check(world, device)
  t.alike(codes(found), [...expected].sort(), 'found')
  t.ok(found.findings.every(({ repaired }) => !repaired))
  const mended = await check(world, device, true)
  t.alike(codes(mended), [...mending].sort(), 'found again, so nothing was changed before')
  t.ok(mended.findings.every(({ repaired }) => repaired), 'mended')
  await world.made.rest()
  t.alike(codes(await check(world, device)), [], 'clean then')
  t.alike(world.a.files(), world.b.files())
  return found
}

test('check: nothing is wrong with a folder that was only used', async (t) => {
  const world = await bench()
  for (const device of [world.a, world.b]) {
    const { checked, findings, busy } = await check(world, device)
    t.alike([findings, busy], [[], 0])
    t.alike([checked.paths, checked.files, checked.contents >= 2], [5, 2, true])
    t.ok(checked.statements > 0 && checked.blocks > 0 && checked.treeNodes > 0)
  }
  t.is((await check(world, world.b)).checked.history, 2)
})

test('check: other bytes under the same stat', async (t) => {
  const world = await bench()
  const node = world.a.disk.tree.node('doc')
  if (node?.kind !== 'file') return t.fail()
  node.data = Buffer.from('AFTER IT')
  const { findings } = await foundAndMended(t, world, world.a, ['content-differs'])
  t.ok(findings[0]?.message.includes('p2psync history'))
  t.is(world.b.user.read('doc').toString(), 'AFTER IT', 'kept as a change of this device')
  t.ok([...world.b.disk.history.values()].some((kept) => kept.kind === 'file' && kept.data.toString() === 'after it'), 'the version before is kept too')
})

test('check: a row that says another version than the drive', async (t) => {
  const world = await bench()
  const known = fileRow(world.a, 'd/file')
  world.a.index.putRow(key('d/file'), { ...known, entry: { ...known.entry, mtime: '1700000000000001000' } })
  await foundAndMended(t, world, world.a, ['not-stated'])
})

test('check: a row that names another content', async (t) => {
  const world = await bench()
  const known = fileRow(world.a, 'd/file')
  world.a.index.putRow(key('d/file'), { ...known, entry: { ...known.entry, cid: fileRow(world.a, 'doc').entry.cid } })
  await foundAndMended(t, world, world.a, ['content-differs', 'place-stale'], ['content-differs'])
  t.is(world.b.user.read('d/file').toString(), 'a file of several chunks, so that it has a list')
})

test('check: a row is lost', async (t) => {
  const world = await bench()
  for (const path of ['d/file', 'link', 'gone']) world.a.index.delRow(key(path))
  // Those that stand on disk are found by the scan before, as something new.
  await foundAndMended(t, world, world.a, ['not-indexed'])
  t.is(row(world.a, 'gone').entry.kind, 'tombstone')
  t.is(world.a.user.read('d/file').toString(), 'a file of several chunks, so that it has a list')
})

test('check: a row and its file are lost: that was no deletion', async (t) => {
  const world = await bench()
  world.a.index.delRow(key('doc'))
  world.a.disk.tree.detach('doc')
  await foundAndMended(t, world, world.a, ['not-indexed', 'place-stale'], ['not-indexed'])
  t.is(world.a.user.read('doc').toString(), 'after it', 'it came back')
})

test('check: a statement is missing in the drive', async (t) => {
  const world = await bench()
  world.a.drive.append([{ path: key('doc'), entry: null, list: null, blob: null }])
  await world.made.rest()
  await foundAndMended(t, world, world.a, ['not-stated'])
})

test('check: blocks of our drive cannot be read', async (t) => {
  const world = await bench()
  const bad = world.a.drive.blocks.findLast((block) => block.path === 'd/file')?.blob?.blockOffset ?? -1
  world.a.drive.badBlocks.add(bad)
  await foundAndMended(t, world, world.a, ['blocks-unreadable'])
})

test('check: the index lost a content, or keeps a place that is none', async (t) => {
  const world = await bench()
  const { cid } = fileRow(world.a, 'd/file').entry
  world.a.index.delPlace(cid, { area: 'tree', path: key('d/file') })
  await foundAndMended(t, world, world.a, ['place-missing'])
  const { list } = world.a.index.contents.get(cid) ?? {}
  if (list === undefined) return t.fail()
  world.a.index.putContent(list, { area: 'tree', path: key('elsewhere') }, null)
  await foundAndMended(t, world, world.a, ['place-stale'])
})

test('check: history that is gone is not listed any longer; what was changed is listed as what it is', async (t) => {
  const world = await bench()
  // R35 looks at it with the next full scan, and then not again.
  await check(world, world.b)
  const [first, second] = [...world.b.disk.history]
  if (first === undefined || second === undefined || second[1].kind !== 'file') return t.fail()
  world.b.disk.history.delete(first[0])
  second[1].data = Buffer.from('somebody wrote here')
  await foundAndMended(t, world, world.b, ['history-differs', 'history-gone'])
  t.is(world.b.disk.history.size, 1)
  const [row] = [...world.b.index.history.values()]
  t.alike([row?.path, row?.entry.kind === 'file' ? row.entry.size : null], ['gone', 'somebody wrote here'.length])
})

test('check: what is kept of another drive is read again', async (t) => {
  const world = await bench()
  const [rows] = [...world.b.index.remotes.values()]
  rows?.delete(key('doc'))
  await foundAndMended(t, world, world.b, ['remote-differs'])
})

test('check: a number in use above the counter', async (t) => {
  const world = await bench()
  await check(world, world.a)
  const { own } = world.a.index
  if (own === null) return t.fail()
  world.a.index.own = { ...own, counter: 1 }
  await foundAndMended(t, world, world.a, ['checkpoint'])
  t.is(world.a.index.own?.counter, own.counter)
})

test('check: bytes between two names go to history', async (t) => {
  const world = await bench()
  world.a.disk.limbo.add({ node: world.a.disk.tree.newFile(Buffer.from('between'), 0o644), path: 'lost', reason: 'replaced' })
  await foundAndMended(t, world, world.a, ['left-over'])
  t.ok([...world.a.disk.history.values()].some((node) => node.kind === 'file' && node.data.toString() === 'between'))
  t.is([...world.a.index.history.values()].find(({ path }) => path === 'lost')?.reason, 'replaced', 'and are listed')
})

test('check: what is in history and not listed is listed; what nobody knows stays and is told', async (t) => {
  const world = await bench()
  const [first, second] = [...world.b.index.history.values()]
  if (first === undefined || second === undefined) return t.fail()
  world.b.index.history.clear()
  for (const { name, entry } of [first, second]) if (entry.kind === 'file') world.b.index.delPlace(entry.cid, { area: 'history', path: name })
  await foundAndMended(t, world, world.b, ['history-unlisted', 'history-unlisted'])
  const again = world.b.index.history.get(first.name)
  t.alike([again?.path, again?.reason, again?.entry.kind === 'file' && first.entry.kind === 'file' && again.entry.cid === first.entry.cid], [first.path, first.reason, true])
  t.ok(again !== undefined && Math.abs(again.at - first.at) < 1000)
  world.b.disk.history.set('whose', world.b.disk.tree.newFile(Buffer.from('of nobody'), 0o644))
  const { findings } = await check(world, world.b, true)
  t.alike(findings.map(({ code, repaired }) => [code, repaired]), [['history-unknown', false]])
  t.ok(world.b.disk.history.has('whose'))
})

test('check: somebody who writes all the time is no finding', async (t) => {
  const world = await bench()
  const { made, a, b } = world
  const state = { over: false }
  const result = a.folder.check(true, NEVER).finally(() => (state.over = true))
  for (let i = 0; i < 1000 && !state.over; i++) {
    a.user.write('doc', `edit ${i}`)
    b.user.write(`from-b-${i % 7}`, `edit ${i}`)
    if (i % 5 === 0) b.user.remove(`from-b-${i % 7}`)
    await made.clock.run(20)
  }
  for (let i = 0; i < 100 && !state.over; i++) await made.clock.run(1000)
  t.ok(state.over)
  t.alike((await result).findings, [])
})

test('check: a paused folder is not checked', async (t) => {
  const world = await bench()
  await world.made.whenDone(world.a.folder.pause())
  await t.exception(check(world, world.a), /paused/)
})

test('check: totals that do not agree with the rows are counted again', async (t) => {
  const world = await bench()
  world.a.index.totals = { files: 7, directories: 0, bytes: 12 }
  const { findings } = await foundAndMended(t, world, world.a, ['totals'])
  t.ok(findings[0]?.message.includes('7 files'), findings[0]?.message)
})
