/** Renames and moves between two daemons: no content on the wire, nothing in history, whatever happens meanwhile. */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { appendFile, rename, writeFile } from 'node:fs/promises'
import test from 'brittle'
import { createPair, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const MIB = 1024 * 1024
/** Statements and talk of a few hundred paths, with room; far less than any content here. */
const TALK_BYTES = MIB

async function received(device: Device): Promise<number> {
  return (await device.call('status.get', {})).devices.reduce((sum, { rxBytes }) => sum + rxBytes, 0)
}

function historyOf(device: Device): string[] {
  const path = device.path('.p2psync', 'history')
  return existsSync(path) ? readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('/')) : []
}

async function settled(a: Device, b: Device): Promise<void> {
  await waitFor('both are equal and say so', async () => (await a.call('folders.sync', { timeoutMs: 120_000 })).outcome === 'in-sync', 60_000)
  await waitEqual([a.path(), b.path()])
}

test('a renamed file is one rename on the other side', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('large.bin', randomBytes(24 * MIB))
  await a.write('sub/other', 'other')
  await settled(a, b)
  const before = [await received(a), await received(b)] as const
  const names = ['large.bin', 'sub/renamed.bin', 'back.bin', 'again.bin', 'sub/last.bin'] as const
  for (let i = 0; i + 1 < names.length; i++) {
    const [from, to] = [names[i] as string, names[i + 1] as string]
    const [here, there] = i % 2 === 0 ? [a, b] : [b, a]
    await rename(here.path(from), here.path(to))
    await waitFor(`${to} comes`, () => existsSync(there.path(to)) && !existsSync(there.path(from)))
    await settled(a, b)
  }
  t.ok((await received(a)) - before[0] < TALK_BYTES && (await received(b)) - before[1] < TALK_BYTES, 'no content on the wire')
  // One may have been looked at between the two events of its rename: then it is copied, and the old one kept.
  t.ok(historyOf(a).length + historyOf(b).length <= 1, 'four moves')
  await appendFile(a.path('sub/last.bin'), 'an edit after the moves')
  await settled(a, b)
})

test('a renamed directory with an edit in it, and swapped names', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  for (let i = 0; i < 300; i++) await a.write(`d/${i % 7}/${i}`, `${i} ${'x'.repeat(8000)}`)
  await a.write('one', randomBytes(2 * MIB))
  await a.write('two', randomBytes(2 * MIB))
  await settled(a, b)
  const before = await received(b)
  await rename(a.path('d'), a.path('e'))
  await writeFile(a.path('e/0/0'), 'edited at the same time')
  await waitFor('it moves', () => existsSync(b.path('e/6/293')) && !existsSync(b.path('d')))
  await settled(a, b)
  t.ok((await received(b)) - before < TALK_BYTES, 'no content on the wire')
  // The edited file; and where the receiver read the drive while it grew, the one whose two halves came apart.
  t.ok(historyOf(b).length <= 3, `nearly nothing in history: ${historyOf(b).join(' ')}`)

  await rename(a.path('one'), a.path('swap'))
  await rename(a.path('two'), a.path('one'))
  await rename(a.path('swap'), a.path('two'))
  await settled(a, b)
  t.ok((await received(b)) - before < TALK_BYTES)
})

test('R46: a renamed directory is one rename on the other side, at once; an edit in the middle of it is kept', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  const names = Array.from({ length: 2000 }, (_, i) => `${i % 4}/${i}`)
  for (const name of names) await a.write(`d/${name}`, `content of ${name}`)
  await settled(a, b)
  // A rename, a link or a write of a file sets its ctime; that of a directory above it does not.
  const looks = new Map(names.map((name) => [name, statSync(b.path('d', name), { bigint: true })]))
  const { ino } = statSync(b.path('d'))
  await rename(a.path('d'), a.path('e'))
  await waitFor('it moves', () => existsSync(b.path('e')), 60_000)
  t.is(statSync(b.path('e')).ino, ino, 'it is the same directory')
  t.absent(existsSync(b.path('d')))
  await writeFile(b.path('e/3/1999'), 'edited in the middle of it')
  await writeFile(b.path('e/new'), 'made in the middle of it')
  await settled(a, b)
  const touched = names.filter((name) => {
    const [now, before] = [statSync(b.path('e', name), { bigint: true }), looks.get(name)]
    return now.ino !== before?.ino || now.ctimeNs !== before.ctimeNs
  })
  t.alike(touched, ['3/1999'], 'no file was renamed')
  t.is(await a.read('e/3/1999'), 'edited in the middle of it')
  t.is(await a.read('e/new'), 'made in the middle of it')
  t.is([...(await waitEqual([a.path(), b.path()])).keys()].filter((path) => path.includes('sync-conflict')).length, 0)
  t.alike(historyOf(b), [])
})

test('a rename here and an edit there keep both; moves that cross end equal', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  for (const path of ['a', 'x/f', 'y/g']) await a.write(path, `first ${path}`)
  await settled(a, b)
  await b.stop()
  await rename(a.path('a'), a.path('renamed'))
  await rename(a.path('x'), a.path('y/x'))
  await writeFile(b.path('a'), 'an edit on the other side')
  await rename(b.path('y'), b.path('x/y'))
  await b.start()
  await settled(a, b)
  const tree = await waitEqual([a.path(), b.path()])
  t.is(await a.read('renamed'), 'first a')
  t.is(await a.read('a'), 'an edit on the other side')
  const texts = [...tree.keys()].filter((path) => /[fg]$/.test(path))
  t.ok(texts.some((path) => path.endsWith('f')) && texts.some((path) => path.endsWith('g')), texts.join(' '))
})

test('kill -9 of the receiver in the middle of a moved directory', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  for (let i = 0; i < 400; i++) await a.write(`d/${i}`, `content of ${i}`)
  await settled(a, b)
  for (const [from, to] of [['d', 'e'], ['e', 'f'], ['f', 'g']] as const) {
    await rename(a.path(from), a.path(to))
    await waitFor('it begins', () => existsSync(b.path(to)))
    await b.kill9()
    await b.start()
    await settled(a, b)
  }
  t.is(readdirSync(b.path('g')).length, 400)
  for (let i = 0; i < 400; i += 37) t.is(await b.read(`g/${i}`), `content of ${i}`)
  t.is([...(await waitEqual([a.path(), b.path()])).keys()].filter((path) => path.includes('sync-conflict')).length, 0)
})
