/** Clocks that are wrong by years, and devices that come back after years (libfaketime; skipped where it is not installed). */
import { existsSync } from 'node:fs'
import { rm, utimes, writeFile } from 'node:fs/promises'
import test, { type Assert } from 'brittle'
import { createPair, waitConnected, type Device } from './harness.ts'
import { textsOf, waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }
const LIBRARIES = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib64/faketime/libfaketime.so.1', '/usr/lib/faketime/libfaketime.so.1']
const YEAR_S = 365 * 24 * 3600

/** The environment of a process that sees another time; null where that cannot be had. */
function at(offset: string): Readonly<Record<string, string>> | null {
  const library = LIBRARIES.find((path) => existsSync(path))
  return library === undefined ? null : { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
}

async function settled(...devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    const result = await device.call('folders.sync', { timeoutMs: 120_000 })
    if (!result.ok) throw new Error(`${device.name} is not in sync: ${JSON.stringify(result)}`)
  }
}

/** As a program on a machine with that clock would. */
async function writeAt(device: Device, path: string, text: string, years: number): Promise<void> {
  await device.write(path, text)
  const time = Date.now() / 1000 + years * YEAR_S
  await utimes(device.path(path), time, time)
}

async function quiet(t: Assert, ...devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    const folders = await waitFor(`${device.name} rests`, async () => {
      const found = (await device.call('status.get', {})).folders
      return !['scanning', 'syncing'].includes(found[0]?.state ?? '') && found
    })
    t.alike(folders.map(({ state, reason, problems }) => [state, reason, problems]), [['idle', null, []]], `${device.name} has nothing to complain of`)
  }
}

for (const years of [10, -10]) {
  test(`a clock that is wrong by ${years} years: everything is synced both ways, and no version is lost`, TIMEOUT, async (t) => {
    const wrong = at(`${years > 0 ? '+' : ''}${years * 365}d`)
    if (wrong === null) return t.comment('skipped: no libfaketime')
    const [a, b] = await createPair(t)
    for (const name of ['edit-a', 'edit-b', 'both', 'delete-a', 'delete-b']) await a.write(`${name}.txt`, `${name} before`)
    await settled(a, b)
    await b.stop()
    await b.start(wrong)
    await waitConnected(a, b)
    const { startedAt } = await b.call('daemon.status', {})
    t.is(Math.round((Date.parse(startedAt) - Date.now()) / (YEAR_S * 1000)), years, 'its clock is wrong')
    await a.write('edit-a.txt', 'edit-a after')
    await writeAt(b, 'edit-b.txt', 'edit-b after', years)
    await rm(a.path('delete-a.txt'))
    await rm(b.path('delete-b.txt'))
    await settled(a, b)
    await waitEqual([a.path(), b.path()], 30_000)
    t.is(await b.read('edit-a.txt'), 'edit-a after', 'an edit is newer than what it edits, whatever the clocks say')
    t.is(await a.read('edit-b.txt'), 'edit-b after')
    // At once on both: a clock decides the name, never what survives.
    await b.stop()
    await a.write('both.txt', 'both by a')
    await a.call('folders.scan', {})
    await writeAt(b, 'both.txt', 'both by b', years)
    await b.start(wrong)
    await waitConnected(a, b)
    await settled(a, b)
    const tree = await waitEqual([a.path(), b.path()], 30_000)
    t.is([...tree.keys()].filter((path) => path.includes('sync-conflict')).length, 1)
    t.is(await a.read('both.txt'), years > 0 ? 'both by b' : 'both by a')
    // The clock is set right: nothing is older or newer for that.
    await b.restart()
    await waitConnected(a, b)
    await writeFile(b.path('edit-a.txt'), 'edit-a by b, in the right time')
    await settled(b, a)
    await waitEqual([a.path(), b.path()], 30_000)
    t.is(await a.read('edit-a.txt'), 'edit-a by b, in the right time')
    const all = new Set([...(await textsOf(a.path())), ...(await textsOf(b.path()))])
    // What stood in both.txt before was overwritten in place by its user on either device.
    for (const text of ['both by a', 'both by b', 'edit-a before', 'edit-a after', 'edit-b before', 'delete-a before', 'delete-b before']) t.ok(all.has(text), text)
    await quiet(t, a, b)
  })
}

test('a device that comes back after years: what was deleted stays deleted, what it alone has is kept', TIMEOUT, async (t) => {
  const later = at('+1825d')
  if (later === null) return t.comment('skipped: no libfaketime')
  const [a, b] = await createPair(t)
  for (const name of ['keep', 'edited', 'both', 'deleted', 'renamed']) await a.write(`${name}.txt`, `${name} of then`)
  await settled(a, b)
  await b.stop()
  await b.write('both.txt', 'both, edited before it was put away')
  await a.stop()
  await a.start(later)
  await writeAt(a, 'edited.txt', 'edited since', 4)
  await writeAt(a, 'both.txt', 'both, edited since', 4)
  await rm(a.path('deleted.txt'))
  await rm(a.path('renamed.txt'))
  await writeAt(a, 'new name.txt', 'renamed of then', 0)
  await a.call('folders.scan', {})
  await b.start(later)
  await waitConnected(a, b)
  await settled(a, b)
  const tree = await waitEqual([a.path(), b.path()], 30_000)
  const names = [...tree.keys()]
  t.alike(names.filter((name) => !name.includes('sync-conflict')), ['both.txt', 'edited.txt', 'keep.txt', 'new name.txt'])
  t.is(names.length, 5, 'one conflict copy')
  t.is(await b.read('both.txt'), 'both, edited since')
  const all = await textsOf(b.path())
  t.ok(all.has('both, edited before it was put away'))
  await quiet(t, a, b)
})
