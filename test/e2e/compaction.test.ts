/** A drive that has outgrown what it says gives way to a new one, here and on the other devices. */
import test from 'brittle'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createPair, waitConnected, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const FILES = 100
const ROUNDS = 25
/** Rest of both devices, and what the stack keeps open for a while: it takes half a minute on a quiet machine. */
const LONG_MS = 200_000

test('R1, R14: after many rewrites a new drive takes over with the same writer, the old one is deleted everywhere, and kills in between change nothing', { timeout: 600_000 }, async (t) => {
  const [a, b] = await createPair(t)
  const before = await driveOf(a)
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < FILES; i++) await a.write(`d${i % 10}/file ${i}`, `content ${i} of round ${round}`)
    await a.call('folders.scan', {})
  }
  await b.write('theirs', 'of b')
  await waitEqual([a.path(), b.path()], LONG_MS)

  await waitFor('a new drive is made', () => rows(a).length > 1, LONG_MS)
  await a.kill9()
  await a.start()
  await waitFor('the device that reads it gives up the old one', () => retired(b).some(({ key }) => key === before), LONG_MS)
  await b.kill9()
  await b.start()
  await waitConnected(a, b)
  const after = await driveOf(a)
  t.not(after, before)
  await waitFor('the old one is deleted here', () => retired(a).some(({ key, deleted }) => key === before && deleted), LONG_MS)
  await waitFor('and there', () => retired(b).some(({ key, deleted }) => key === before && deleted), LONG_MS)
  t.is(new Set(rows(a).map(({ salt }) => salt)).size, rows(a).length)

  await a.write('d1/file 1', 'after it')
  await b.write('d2/file 2', 'from b, after it')
  await waitEqual([a.path(), b.path()], LONG_MS, async () => (await b.read('d1/file 1')) === 'after it' && (await a.read('d2/file 2')) === 'from b, after it')
  await a.restart()
  await b.restart()
  await a.write('last', 'after a restart')
  await waitEqual([a.path(), b.path()], LONG_MS, async () => (await b.read('last').catch(() => '')) === 'after a restart')
  t.is(await b.read('d9/file 99'), `content 99 of round ${ROUNDS - 1}`)
  t.absent((await a.cli('conflicts', '--json')).stdout.includes('sync-conflict'))
  const check = await a.cli('doctor', 'docs', '--check')
  t.is(check.code, 0, check.stdout)
})

/** The newest. */
async function driveOf(device: Device): Promise<string> {
  const { folders } = await device.call('folders.list', { keys: true })
  const id = await device.id()
  return folders[0]?.drives?.filter((drive) => drive.device === id).at(0)?.key ?? ''
}

function rows(device: Device): { readonly salt: string }[] {
  return read<{ drives: { salt: string }[] }>(join(device.home, 'state', 'keys', 'drives.json'))?.drives ?? []
}

function retired(device: Device): { readonly key: string; readonly deleted: boolean }[] {
  return read<{ drives: { key: string; deleted: boolean }[] }>(join(device.home, 'state', 'retired.json'))?.drives ?? []
}

function read<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    return null // None so far.
  }
}
