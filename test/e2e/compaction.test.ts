/** A drive that has outgrown what it says gives way to a new one, here and on the other devices. */
import test from 'brittle'
import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createPair, waitConnected, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const FILES = 100
const ROUNDS = 25
const MANY = 1_000
const WORK_MS = 4_000
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
  await waitFor('and with it one that was prepared when it was killed', () => rows(a).slice(0, -1).every(({ key: old }) => retired(a).some(({ key, deleted }) => key === old && deleted)), LONG_MS)
  await waitFor('and there', () => retired(b).some(({ key, deleted }) => key === before && deleted), LONG_MS)
  t.is(new Set(rows(a).map(({ salt }) => salt)).size, rows(a).length)
  t.ok(rows(a).at(-1)?.blobs !== undefined, 'it was made beside the running folder, with the blobs of the one before')

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

test('R14: what is written, moved and deleted while a new drive is made beside the running folder is on the other device, and stated by the new drive', { timeout: 600_000 }, async (t) => {
  const [a, b] = await createPair(t)
  for (let i = 0; i < MANY; i++) await a.write(`m${i % 20}/file ${i}`, `content ${i}`)
  await waitEqual([a.path(), b.path()], LONG_MS)
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < MANY; i++) chmodSync(a.path(`m${i % 20}/file ${i}`), round % 2 === 0 ? 0o600 : 0o644)
    await a.call('folders.scan', {})
    await waitEqual([a.path(), b.path()], LONG_MS)
  }
  await waitFor('a new drive is in the making', () => rows(a).length > 1, LONG_MS)
  let written = 0
  for (const end = Date.now() + WORK_MS; Date.now() < end && rows(a).at(-1)?.settled !== true; written++) {
    await a.write(`new ${written}`, `written ${written}`)
    await a.write(`m1/file ${1 + 20 * (written % 50)}`, `edited ${written}`)
    if (written < 40) renameSync(a.path(`m2/file ${2 + 20 * written}`), a.path(`moved ${written}`))
    if (written < 40) rmSync(a.path(`m3/file ${3 + 20 * written}`))
  }
  t.comment(`${written} files were written meanwhile`)
  await waitFor('it takes over', () => rows(a).at(-1)?.settled === true, LONG_MS)
  t.ok(rows(a).at(-1)?.blobs !== undefined)
  await waitEqual([a.path(), b.path()], LONG_MS, async () => (await b.read(`new ${written - 1}`).catch(() => '')) === `written ${written - 1}`)
  const check = await a.cli('doctor', 'docs', '--check')
  t.is(check.code, 0, check.stdout)
  await a.restart()
  await a.write('last', 'after a restart')
  await waitEqual([a.path(), b.path()], LONG_MS, async () => (await b.read('last').catch(() => '')) === 'after a restart')
})

/** The newest. */
async function driveOf(device: Device): Promise<string> {
  const { folders } = await device.call('folders.list', { keys: true })
  const id = await device.id()
  return folders[0]?.drives?.filter((drive) => drive.device === id).at(0)?.key ?? ''
}

interface Drive {
  readonly key: string
  readonly salt: string
  readonly blobs?: string
  readonly settled: boolean
}

function rows(device: Device): readonly Drive[] {
  return read<{ drives: Drive[] }>(join(device.home, 'state', 'keys', 'drives.json'))?.drives ?? []
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
