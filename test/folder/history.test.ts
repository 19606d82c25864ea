/** Versions, restore, resolve and retention on fakes: what no real clock should be waited for. */
import test from 'brittle'
import { PartialError } from '../../base/errors.ts'
import { Export, makeEmpty } from '../../daemon/export.ts'
import { versionId, type Version } from '../../daemon/folder/history.ts'
import { ageOf, cameAt, look } from '../../daemon/folder/calendar.ts'
import { expiredOf } from '../../daemon/folder/retention.ts'
import type { HistoryClock, HistoryFile } from '../../daemon/ports.ts'
import { chunkId, contentList } from '../../daemon/sync/content.ts'
import type { ContentId, PathKey } from '../../daemon/sync/ids.ts'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Random } from '../fakes/random.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const NEVER = new AbortController().signal
const key = (path: string): PathKey => path as PathKey
const DAY_MS = 24 * 3600 * 1000

async function versions(made: FolderWorld, device: FolderDevice, path: string): Promise<readonly Version[]> {
  return (await made.whenDone(device.folder.user.history(key(path), NEVER))).versions
}

/** `doc` was `one`, then `two`, written on a. */
async function edited(...more: object[]): Promise<[FolderWorld, FolderDevice, FolderDevice]> {
  const made = await FolderWorld.open({}, {}, ...more)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.write('doc', 'one, in several chunks')
  await made.rest()
  a.user.write('doc', 'two')
  await made.rest()
  return [made, a, b]
}

test('a version is listed once, with all who hold it, the same on every device', async (t) => {
  const [made, a, b] = await edited({})
  const listed = await versions(made, a, 'doc')
  t.alike(listed.map(({ holders }) => holders.map(({ at, reason }) => [at === null, reason])), [
    [[true, 'current'], [true, 'current'], [true, 'current']],
    [[false, 'replaced'], [false, 'replaced']]
  ])
  t.alike((await versions(made, b, 'doc')).map(({ id }) => id), listed.map(({ id }) => id))
})

test('restore: verified bytes of another device, a counter of our own, no conflict', async (t) => {
  const [made, a, b] = await edited()
  const [, old] = await versions(made, a, 'doc')
  await made.whenDone(a.folder.user.restore(old as Version, null, NEVER))
  await made.rest()
  for (const device of [a, b]) t.alike([device.user.read('doc').toString(), device.files()], ['one, in several chunks', ['doc']])
  t.ok((await versions(made, a, 'doc')).some(({ leaf }) => leaf.kind === 'file' && leaf.size === 3), 'what was replaced is in history')
  t.is(a.disk.staging.size, 0)
})

test('restore: an edit that nobody had scanned yet is kept too', async (t) => {
  const [made, a] = await edited()
  const [, old] = await versions(made, a, 'doc')
  a.disk.tree.detach('doc')
  a.disk.tree.attach('doc', a.disk.tree.newFile(Buffer.from('unseen'), 0o644))
  await made.whenDone(a.folder.user.restore(old as Version, null, NEVER))
  t.is(a.user.read('doc').toString(), 'one, in several chunks')
  t.ok([...a.disk.history.values()].some((node) => node.kind === 'file' && node.data.toString() === 'unseen'))
})

test('restore: never over something else, never through a file, never below what is ignored', async (t) => {
  const [made, a] = await edited()
  const [, old] = await versions(made, a, 'doc')
  a.user.write('taken', 'taken')
  a.user.mkdir('dir')
  a.user.write('.p2psyncignore', '*.tmp\n')
  await made.rest()
  for (const to of ['taken', 'dir', 'taken/below', 'x.tmp']) {
    await made.whenDone(a.folder.user.restore(old as Version, key(to), NEVER)).then(
      () => t.fail(to),
      (error: { code?: string }) => t.is(error.code, 'PATH_EXISTS', to)
    )
  }
  t.is(a.user.read('taken').toString(), 'taken')
})

test('restore: a concurrent edit elsewhere becomes a conflict, nothing is lost', async (t) => {
  const [made, a, b] = await edited()
  const [, old] = await versions(made, a, 'doc')
  made.network.cut(a.device, b.device)
  b.user.write('doc', 'three')
  await made.rest()
  const restored = a.folder.user.restore(old as Version, key('again'), NEVER)
  await t.exception(made.whenDone(restored), /connected/, 'its bytes are away')
  made.network.mend(a.device, b.device)
  await made.rest()
  await made.whenDone(a.folder.user.restore(old as Version, null, NEVER))
  await made.rest()
  t.alike(b.files(), a.files())
  t.is(a.user.read('doc').toString(), 'one, in several chunks')
})

test('a version that a device shows falsely is not put back', async (t) => {
  const [made, a, b] = await edited()
  const [, old] = await versions(made, a, 'doc')
  for (const node of b.disk.history.values()) if (node.kind === 'file') node.data = Buffer.from('lies of the same size!')
  await made.whenDone(a.folder.user.restore(old as Version, null, NEVER)).then(
    () => t.fail(),
    (error: { code?: string }) => t.is(error.code, 'VERSION_UNAVAILABLE')
  )
  t.is(a.user.read('doc').toString(), 'two')
})

test('what came of a history that cannot be had in full is there, and the device is named', async (t) => {
  const [made, a, b] = await edited()
  const { network } = made
  const history = network.history.bind(network)
  network.history = async (...args) => {
    throw new PartialError('too many', await history(...args))
  }
  const { versions: listed, silent } = await made.whenDone(a.folder.user.history(key('doc'), NEVER))
  t.alike(silent, [b.device])
  t.alike(listed.map(({ holders }) => holders.some(({ device, reason }) => device === b.device && reason === 'replaced')), [false, true])
})

test('the tree at a time: what was there, not what came later', async (t) => {
  const made = await FolderWorld.open({}, {})
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.mkdir('d')
  a.user.write('d/gone', 'gone')
  a.user.write('edited', 'before')
  await made.rest()
  const then = made.clock.now()
  await made.rest()
  a.user.remove('d')
  a.user.write('edited', 'after')
  b.user.write('late', 'late')
  await made.rest()
  const tree = await made.whenDone(a.folder.user.treeAt(then, null, NEVER))
  t.alike(tree.leaves.map(({ path, leaf }) => [path, leaf.kind === 'file' ? leaf.size : 0]).sort(), [['d/gone', 4], ['edited', 6]])
  const part = await made.whenDone(a.folder.user.treeAt(then, key('d'), NEVER))
  t.alike(part.leaves.map(({ path }) => path), ['d/gone'])
})

test('retention: oldest first, never more than needed, rows go with their files', async (t) => {
  const made = await FolderWorld.open({}, { retention: () => ({ maxAgeMs: DAY_MS, maxBytes: 10 }) })
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  for (const text of ['11111', '22222', '33333', '44444']) {
    a.user.write('doc', text)
    await made.rest()
  }
  t.is(b.disk.history.size, 3)
  await made.rest(16 * 60_000)
  t.alike([...b.disk.history.values()].map((node) => (node.kind === 'file' ? node.data.toString() : '')), ['22222', '33333'])
  t.is((await versions(made, a, 'doc')).length, 3)
  await made.rest(2 * DAY_MS)
  t.is(b.disk.history.size, 0, 'age')
  t.alike((await versions(made, a, 'doc')).map(({ holders }) => holders.every(({ at }) => at === null)), [true])
  t.is(b.user.read('doc').toString(), '44444')
})

test('retention: a file system that tells of no size ends nothing by size', async (t) => {
  const made = await FolderWorld.open({}, { retention: () => ({ maxAgeMs: DAY_MS, maxBytes: null }) })
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  b.disk.fileSystemBytes = 0
  a.user.write('doc', 'old')
  await made.rest()
  a.user.write('doc', 'new')
  await made.rest(16 * 60_000)
  t.is(b.disk.history.size, 1)
  await made.rest(2 * DAY_MS)
  t.is(b.disk.history.size, 0, 'age')
})

const START = 20_000 * DAY_MS
const YEARS = 3_650 * DAY_MS
const KNOWN: HistoryClock = { lookedAt: START, set: { at: 0, skipped: 0 }, away: { at: 0, skipped: 0 } }

function age(clock: HistoryClock, now: number, at: number): number {
  return ageOf(clock, now, cameAt(clock, now, at)) / DAY_MS
}

test('the age of an old version: nothing is older than what is known of the clock', (t) => {
  const first = look(null, START) as HistoryClock
  t.is(age(first, START, 5), 0)
  t.is(age(first, START + 31 * DAY_MS, 5), 31)
  t.is(age(first, START + 31 * DAY_MS, START + DAY_MS), 30)
})

test('the age of an old version: a machine may sleep for days, and at rest nothing is written but once a day', (t) => {
  t.is(look(KNOWN, START + DAY_MS / 2), null)
  t.alike(look(KNOWN, START + 3 * DAY_MS), { ...KNOWN, lookedAt: START + 3 * DAY_MS })
  t.is(age(KNOWN, START, START - 29 * DAY_MS), 29)
})

test('the age of an old version: what a clock skips is none, until the new time has lasted as long; what comes then ages as ever', (t) => {
  const later = START + YEARS
  const leaped = look(KNOWN, later) as HistoryClock
  t.is(age(leaped, later, START - 29 * DAY_MS), 29)
  t.is(age(leaped, later + 2 * DAY_MS, START - 29 * DAY_MS), 31)
  t.is(age(leaped, later + 2 * DAY_MS, later + DAY_MS), 1)
  // And back again.
  const back = look({ ...leaped, lookedAt: later + 2 * DAY_MS }, START + 2 * DAY_MS) as HistoryClock
  t.alike(back.set, { at: START + 2 * DAY_MS, skipped: 0 })
  t.is(age(back, START + 2 * DAY_MS, START - DAY_MS), 3)
  t.is(age(back, START + 3 * DAY_MS, later + DAY_MS), 1, 'what came while it was ahead came before it was set right')
  t.is(age(back, START + 3 * DAY_MS, START + 3 * DAY_MS + 1000), 0, 'a second ahead is now')
})

for (const days of [8, 31]) {
  test(`a device that is on every ${days} days ends its history by age as well`, (t) => {
    let clock = look(null, START) as HistoryClock
    let now = START
    for (let i = 0; i < 12; i++) clock = look(clock, (now += days * DAY_MS)) ?? clock
    t.ok(age(clock, now, START + days * DAY_MS) > 30)
    t.ok(age(clock, now, now - days * DAY_MS) <= days, 'and nothing too early')
    t.is(age(clock, now, now), 0)
  })
}

test('invariant 5: whatever clocks and absences there are, nothing ends before its time, and once the clock is right all does in time', (t) => {
  const random = new Random('calendar')
  for (let round = 0; round < 60; round++) {
    let [time, wrong] = [START, 0]
    let clock: HistoryClock | null = null
    let versions: { readonly at: number; readonly came: number }[] = []
    const early: number[] = []
    const start = (): void => {
      const now = time + wrong
      clock = look(clock, now) ?? clock
      versions = versions.filter(({ at, came }) => {
        const stays = age(clock as HistoryClock, now, at) <= 30
        if (!stays && time - came < 30 * DAY_MS) early.push((time - came) / DAY_MS)
        return stays
      })
    }
    const passes = (hours: number): void => {
      for (let hour = 0; hour < hours; hour++) {
        time += DAY_MS / 24
        if (random.chance(0.05)) versions.push({ at: time + wrong, came: time })
        start()
      }
    }
    for (let step = 0; step < 40; step++) {
      if (random.chance(0.1)) wrong = random.chance(0.5) ? YEARS / (1 + random.below(5)) : random.below(DAY_MS) - time
      else if (random.chance(0.3)) wrong = 0
      if (random.chance(0.1)) time += random.below(40) * DAY_MS
      if (random.chance(0.3)) start()
      passes(random.below(120))
    }
    t.alike(early, [], `round ${round}`)
    wrong = 0
    passes(100 * 24)
    t.is(versions.filter(({ came }) => time - came > 95 * DAY_MS).length, 0)
  }
})

for (const [which, years] of [['ten years ahead', 10], ['at 1970', -47]] as const) {
  test(`invariant 5: a device that starts with its clock ${which}, gets something, and starts again, keeps its history`, async (t) => {
    const made = await FolderWorld.open({}, { retention: () => ({ maxAgeMs: 30 * DAY_MS, maxBytes: null }) })
    const [a, b] = made.devices as [FolderDevice, FolderDevice]
    const edit = async (text: string): Promise<void> => {
      a.user.write('doc', text)
      await made.rest()
    }
    const restart = async (skewMs: number): Promise<void> => {
      b.kill()
      b.skewMs = skewMs
      b.start()
      await made.rest()
    }
    await edit('one')
    await edit('two')
    await made.rest(16 * 60_000)
    t.is(b.disk.history.size, 1)
    await restart(years * 365 * DAY_MS)
    await edit('three')
    await made.rest(16 * 60_000)
    t.is(b.disk.history.size, 2)
    await restart(years * 365 * DAY_MS)
    await made.rest(16 * 60_000)
    t.is(b.disk.history.size, 2)
    // Before history is looked at by that clock.
    await restart(years * 365 * DAY_MS)
    await edit('four')
    await restart(0)
    await edit('five')
    await made.rest(16 * 60_000)
    t.is(b.disk.history.size, 4)
    await made.rest(29 * DAY_MS)
    t.is(b.disk.history.size, 4)
    await made.rest(3 * DAY_MS)
    t.is(b.disk.history.size, 0, 'each in its time')
  })
}

test('R35: what was written to in history is no old version, and retention does not end it', async (t) => {
  let maxBytes = 1_000
  const made = await FolderWorld.open({}, { retention: () => ({ maxAgeMs: DAY_MS, maxBytes }) })
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.write('doc', 'before')
  await made.rest()
  const file = b.disk.tree.node('doc')
  a.user.write('doc', 'after')
  await made.rest()
  if (file?.kind !== 'file') return t.fail('it did not come')
  file.data = Buffer.from('written late')
  file.mtimeNs += 1_000_000_000n
  file.ctimeNs += 1_000_000_000n
  maxBytes = 0
  await made.rest(16 * 60_000)
  t.is(b.disk.history.size, 0)
  for (const device of [a, b]) t.alike(device.files().map((path) => device.user.read(path).toString()).sort(), ['after', 'written late'])
})

interface Aged extends HistoryFile {
  readonly row: { readonly path: PathKey; readonly reason: 'replaced' | 'deleted' } | null
}

const namesOf = (files: readonly HistoryFile[]): string[] => files.map(({ name }) => name)
const versionOf = (path: string, at: number, reason: 'replaced' | 'deleted' = 'replaced'): Aged => ({ name: `${path} ${at}`, at, size: 5, row: { path: path as PathKey, reason } })

test('retention: what must go', (t) => {
  const file = (name: string, at: number, size: number): Aged => ({ name, at, size, row: null })
  const names = (files: readonly Aged[], oldest: number, maxBytes: number): string[] => namesOf(expiredOf(files, 1000, (at) => at < oldest, maxBytes))
  const three = [file('c', 30, 5), file('a', 10, 5), file('b', 20, 5)]
  t.alike(names(three, 0, 15), [])
  t.alike(names(three, 0, 14), ['a'])
  t.alike(names(three, 0, 0), ['a', 'b', 'c'])
  t.alike(names(three, 21, 100), ['a', 'b'])
  t.alike(names([file('z', 1, 0), file('y', 1, 0)], 0, 0), [])
})

test('retention: a file that changes all the time drives out its own versions first, and what was deleted last', (t) => {
  const log = Array.from({ length: 100 }, (_, i) => versionOf('log', 900 + i))
  const others = [versionOf('plan', 100), versionOf('letter', 200, 'deleted'), versionOf('plan', 500)]
  const files = [...log, ...others]
  t.alike(expiredOf(files, 1000, () => false, 103 * 5), [], 'while there is room all of them stay')
  t.alike(namesOf(expiredOf(files, 1000, () => false, 101 * 5)), ['log 900', 'log 901'])
  const left = new Set(files)
  for (const file of expiredOf(files, 1000, () => false, 20 * 5)) left.delete(file)
  t.is(left.size, 20)
  t.ok(others.every((file) => left.has(file)))
  const ages = [...left].flatMap(({ row, at }) => (row?.path === 'log' ? [1000 - at] : [])).sort((a, b) => a - b)
  t.is(ages[0], 1, 'the newest is not close to any')
  const order = namesOf(expiredOf(files, 1000, () => false, 0))
  t.alike(order.filter((name) => !name.startsWith('log')), ['plan 100', 'letter 200', 'plan 500'])
  t.ok(order.indexOf('plan 100') > 80, 'of what is not close to another one the oldest goes first')
  t.alike(namesOf(expiredOf([versionOf('f', 10, 'deleted'), versionOf('f', 11), versionOf('g', 1)], 1000, () => false, 2 * 5)), ['g 1'], 'what somebody deleted is close to nothing')
})

test('a version id is of content and time, nothing else', (t) => {
  const leaf = { kind: 'file', size: 1, mode: 0o644, mtime: '1000', cid: 'x' as ContentId } as const
  t.is(versionId(leaf), versionId({ ...leaf, mode: 0o600 }))
  t.not(versionId(leaf), versionId({ ...leaf, mtime: '2000' }))
  t.not(versionId(leaf), versionId({ ...leaf, cid: 'y' as ContentId }))
})

test('export: complete files only, one content under several names, nothing overwritten', async (t) => {
  const directory = await t.tmp()
  const copy = new Export(directory)
  const bytes = Buffer.from('bytes')
  const list = contentList(0, [{ id: chunkId(bytes), length: bytes.length }])
  const staged = await copy.stage(list)
  await t.exception(staged.seal(), /missing/)
  await staged.write(0, bytes)
  await staged.seal()
  await staged.release()
  for (const name of ['one', 'two']) await copy.file(list.cid, join(directory, name), 0o640, '1700000000123456000')
  await t.exception(copy.file(list.cid, join(directory, 'one'), 0o640, '0'), /exists already/)
  await copy.symlink('nowhere', join(directory, 'link'), '1700000000123456000')
  await copy.close()
  t.alike((await readdir(directory)).sort(), ['link', 'one', 'two'])
  await writeFile(join(directory, 'two'), 'other')
  t.is(await readFile(join(directory, 'one'), 'utf8'), 'bytes', 'two files, not two names')
  await t.exception(makeEmpty(directory), /exists already/)
  await t.exception(makeEmpty(join(directory, 'no', 'parent')), /does not exist/)
  await mkdir(join(directory, 'empty'))
  await t.execution(makeEmpty(join(directory, 'empty')))
})
