/** `p2psync doctor` on real daemons: each kind of damage is planted in a real state directory, found and mended. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { Store } from '../../daemon/drive/store.ts'
import { openIndex } from '../../daemon/index/open.ts'
import type { FolderIndex, SeenStat } from '../../daemon/ports.ts'
import type { FolderId, PathKey } from '../../daemon/sync/ids.ts'
import type { Result } from '../../rpc/schema.ts'
import { createPair, waitConnected, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }
const key = (path: string): PathKey => path as PathKey

type Check = Result<'folders.check'>

/** The index of a device that does not run. */
async function withIndex(device: Device, folder: string, change: (index: FolderIndex) => Promise<void>): Promise<void> {
  const state = join(device.home, 'state')
  const store = new Store({ path: join(state, 'store'), primaryKey: await readFile(join(state, 'keys', 'store.seed')) })
  await store.open()
  const index = await openIndex(store, folder as FolderId)
  await change(index)
  await index.close()
  await store.close()
}

function seenOf(path: string): SeenStat {
  const found = lstatSync(path, { bigint: true })
  return { ino: String(found.ino), size: Number(found.size), mtimeNs: String(found.mtimeNs), ctimeNs: String(found.ctimeNs), mode: Number(found.mode) }
}

async function check(device: Device, repair: boolean): Promise<{ code: number | null; codes: string[]; result: Check }> {
  const ran = await device.cli('doctor', 'docs', '--check', '--json', ...(repair ? ['--repair'] : []))
  const result = ran.json as Check
  if (result?.findings === undefined) throw new Error(`no answer: ${ran.stdout}${ran.stderr}`)
  return { code: ran.code, codes: result.findings.map((finding) => `${finding.code} ${finding.path}`).sort(), result }
}

async function settled(...devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    const result = await device.call('folders.sync', { timeoutMs: 120_000 })
    if (!result.ok) throw new Error(`${device.name} is not in sync: ${JSON.stringify(result)}`)
  }
}

async function filled(a: Device, b: Device): Promise<void> {
  for (let n = 0; n < 12; n++) await a.write(`d/${n}.txt`, `file ${n}`)
  await a.write('large', Buffer.alloc(3_000_000, 'some bytes of a large file, '))
  // Large enough that its edit is stated by a block map.
  const mapped = randomBytes(17_000_000)
  await a.write('mapped', mapped)
  await a.write('doc.txt', 'before')
  await settled(a, b)
  const file = await open(a.path('mapped'), 'r+')
  await file.write(randomBytes(1000), 0, 1000, 5_000_000)
  await file.close()
  await a.write('doc.txt', 'after')
  await settled(a, b)
}

test('doctor --check: every kind of damage is found, mended and gone', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await filled(a, b)
  const { folders } = await b.call('folders.list', {})
  const id = folders[0]?.id ?? ''
  const clean = await check(b, false)
  t.alike([clean.code, clean.codes], [0, []])
  t.ok(clean.result.checked.paths === 16 && clean.result.checked.files === 15 && clean.result.checked.history === 2, JSON.stringify(clean.result.checked))

  await b.stop()
  // Other bytes of the same size and mtime, which the index takes for what it has seen.
  const { atime, mtime } = await stat(b.path('d/1.txt'))
  await writeFile(b.path('d/1.txt'), 'FILE 1')
  await utimes(b.path('d/1.txt'), atime, mtime)
  const kept = (await readdir(b.path('.p2psync/history'), { recursive: true, withFileTypes: true })).find((entry) => entry.name.endsWith('-doc.txt'))
  if (kept === undefined) return t.fail('no history')
  await rm(join(kept.parentPath, kept.name))
  await mkdir(b.path('.p2psync/staging/fetch'), { recursive: true })
  await writeFile(b.path('.p2psync/staging/fetch/mine'), 'bytes of somebody')
  await chmod(b.path('.p2psync/history'), 0o755)
  await chmod(join(b.home, 'state/keys/store.seed'), 0o644)
  await withIndex(b, id, async (index) => {
    const batch = index.batch()
    const one = await index.row(key('d/1.txt'))
    const two = await index.row(key('d/2.txt'))
    const large = await index.row(key('large'))
    if (one === null || two?.entry.kind !== 'file' || large?.entry.kind !== 'file') throw new Error('a row is missing')
    batch.putRow(key('d/1.txt'), { ...one, seen: seenOf(b.path('d/1.txt')) })
    batch.putRow(key('d/2.txt'), { ...two, entry: { ...two.entry, mode: 0o600 } })
    batch.delPlace(large.entry.cid, { area: 'tree', path: key('large') })
    const content = await index.content(two.entry.cid)
    if (content !== null) batch.putContent(content.list, { area: 'tree', path: key('nowhere') }, null)
    await batch.flush()
  })
  await b.start()
  await waitConnected(a, b)
  const expected = ['blocks-unreadable large', 'content-differs d/1.txt', 'history-gone doc.txt', 'left-over .p2psync/staging/fetch/mine', 'not-stated d/2.txt', `open-mode ${join(b.home, 'state/keys/store.seed')}`, 'open-mode .p2psync/history', 'place-missing large', 'place-stale nowhere'].sort()
  const found = await check(b, false)
  t.alike([found.code, found.codes], [1, expected], 'found')
  t.is(found.result.left, expected.length)
  const mended = await check(b, true)
  t.alike([mended.code, mended.codes, mended.result.left], [0, expected, 0], `mended: ${JSON.stringify(mended.result.findings.filter(({ repaired }) => !repaired))}`)
  const after = await check(b, false)
  t.alike([after.code, after.codes], [0, []], 'clean')
  await waitEqual([a.path(), b.path()], 30_000)
  t.is(await a.read('d/1.txt'), 'FILE 1', 'other bytes count as a change of this device')
  t.is((await stat(join(b.home, 'state/keys/store.seed'))).mode & 0o777, 0o600)
  const old = await a.call('folders.history', { folder: 'docs', path: 'd/1.txt' })
  t.is(old.versions.length, 2, 'and the version before is kept')
})

test('doctor --check: rows that are lost are taken from the drive, with no tombstone', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await filled(a, b)
  const id = (await b.call('folders.list', {})).folders[0]?.id ?? ''
  await b.stop()
  await rm(b.path('d/3.txt'))
  await withIndex(b, id, async (index) => {
    const batch = index.batch()
    batch.delRow(key('d/3.txt'))
    await batch.flush()
  })
  await b.start()
  await waitConnected(a, b)
  const mended = await check(b, true)
  t.is(mended.code, 0, JSON.stringify(mended.result.findings))
  t.ok(mended.codes.includes('not-indexed d/3.txt'))
  await waitFor('it is back', () => b.read('d/3.txt').then((text) => text === 'file 3', () => false))
  t.is(await a.read('d/3.txt'), 'file 3')
})

test('doctor --check beside a folder that changes all the time finds nothing', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await filled(a, b)
  const writer = { over: false }
  const writing = (async () => {
    for (let n = 0; !writer.over; n++) {
      await a.write(`d/${n % 12}.txt`, `edit ${n}`)
      await b.write(`e/${n % 5}.txt`, `edit ${n}`)
      if (n % 3 === 0) await rm(b.path(`e/${n % 5}.txt`), { force: true })
      if (n % 10 === 0) await writeFile(a.path('large'), Buffer.alloc(3_000_000, `edit ${n}, `))
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
  })()
  for (const device of [a, b, a]) {
    const { code, codes } = await check(device, true)
    t.alike([code, codes], [0, []], device.name)
  }
  writer.over = true
  await writing
  await settled(a, b)
})

test('doctor: what the daemon needs, and a paused folder', TIMEOUT, async (t) => {
  const [a] = await createPair(t)
  const ran = await a.cli('doctor', '--json')
  const { checks } = ran.json as Result<'daemon.doctor'>
  t.is(ran.code, 0, ran.stdout)
  t.alike(checks.map(({ name }) => name), ['watches', 'clock', 'port', 'nat', 'peers', 'disk of state', 'disk of docs', 'store', 'modes', 'folders'])
  t.alike(checks.filter(({ state }) => state === 'fail'), [])
  t.is(checks.find(({ name }) => name === 'peers')?.message, 'the other device is connected')
  await chmod(join(a.home, 'state/keys'), 0o755)
  t.is((await a.cli('doctor')).code, 1, 'keys that others can reach')
  await a.cli('pause', 'docs')
  t.is((await a.cli('doctor', 'docs', '--check')).code, 5)
})
