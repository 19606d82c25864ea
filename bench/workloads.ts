/**
 * The workloads, in the order in which they build on each other. A tree is made beside the watched folder and moved in with one
 * rename, so that the time is that of syncing: from the rename until the other device has all of it. Hashing comes after the clock.
 */
import { randomBytes } from 'node:crypto'
import { watch } from 'node:fs'
import { cp, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Device } from '../test/e2e/harness.ts'
import { differences, treeOf, waitFor } from '../test/e2e/tree.ts'
import { countFiles } from './measure.ts'

export interface Sizes {
  readonly largeBytes: number
  readonly smallFiles: number
  readonly editBytes: number
  readonly latencyRounds: number
  readonly nodeModules: string
}

export interface Measured {
  readonly name: string
  readonly ms: number
  readonly files: number
  readonly bytes: number
  readonly bytesPerSecond: number | null
  readonly filesPerSecond: number | null
}

export type Workload = (a: Device, b: Device, sizes: Sizes) => Promise<Measured>

const TIMEOUT_MS = 600_000
const SMALL_BYTES = 4096
const SMALL_FILES_IN_DIRECTORY = 100
const DELETED_SHARE = 0.4
const BLOCK_BYTES = 8 * 1024 * 1024

export const workloads: readonly Workload[] = [largeFile, editInside, renameLarge, smallFiles, nodeModules, deleteMany, latency]

async function largeFile(a: Device, b: Device, sizes: Sizes): Promise<Measured> {
  await writeRandom(a.beside('large.bin'), sizes.largeBytes)
  return measure('1 file', a, b, { files: 1, bytes: sizes.largeBytes }, async () => {
    await rename(a.beside('large.bin'), a.path('large.bin'))
    await arrives(b, 'large.bin', sizes.largeBytes)
  })
}

async function editInside(a: Device, b: Device, sizes: Sizes): Promise<Measured> {
  const data = randomBytes(sizes.editBytes)
  return measure('an edit inside it', a, b, { files: 1, bytes: sizes.editBytes }, async () => {
    const file = await open(a.path('large.bin'), 'r+')
    await file.write(data, 0, data.length, Math.floor(sizes.largeBytes / 2))
    await file.close()
    const { mtimeMs } = await stat(a.path('large.bin'))
    await waitFor('the edit arrives', async () => Math.abs((await stat(b.path('large.bin'))).mtimeMs - mtimeMs) < 1, TIMEOUT_MS)
  })
}

async function renameLarge(a: Device, b: Device, sizes: Sizes): Promise<Measured> {
  return measure('rename it', a, b, { files: 1, bytes: sizes.largeBytes }, async () => {
    await rename(a.path('large.bin'), a.path('renamed.bin'))
    await arrives(b, 'renamed.bin', sizes.largeBytes)
    await settles(b, 'large.bin')
  })
}

async function smallFiles(a: Device, b: Device, sizes: Sizes): Promise<Measured> {
  for (let i = 0; i < sizes.smallFiles; i++) {
    const path = a.beside('small', `${Math.floor(i / SMALL_FILES_IN_DIRECTORY)}`, `${i}.bin`)
    if (i % SMALL_FILES_IN_DIRECTORY === 0) await mkdir(dirname(path), { recursive: true })
    await writeFile(path, randomBytes(SMALL_BYTES))
  }
  return moveIn('small files of 4 KiB', a, b, 'small')
}

async function nodeModules(a: Device, b: Device, sizes: Sizes): Promise<Measured> {
  await cp(sizes.nodeModules, a.beside('modules'), { recursive: true, verbatimSymlinks: true })
  return moveIn('node_modules of this project', a, b, 'modules')
}

/** Fewer than half of all files, or the guard against mass deletions would ask first. */
async function deleteMany(a: Device, b: Device, sizes: Sizes): Promise<Measured> {
  const directories = Math.floor((sizes.smallFiles / SMALL_FILES_IN_DIRECTORY) * DELETED_SHARE)
  const files = directories * SMALL_FILES_IN_DIRECTORY
  return measure('delete some of the small files', a, b, { files, bytes: files * SMALL_BYTES }, async () => {
    for (let i = 0; i < directories; i++) await rm(a.path('small', `${i}`), { recursive: true })
    for (let i = 0; i < directories; i++) await settles(b, `small/${i}`)
  })
}

/** Median of single small files, from the rename to its name on one until it stands on the other. */
async function latency(a: Device, b: Device, sizes: Sizes): Promise<Measured> {
  const times: number[] = []
  for (let round = 0; round < sizes.latencyRounds; round++) {
    const name = `latency-${round}.txt`
    const seen = appears(b.path(), name)
    await writeFile(a.beside(name), `round ${round}`)
    const started = performance.now()
    await rename(a.beside(name), a.path(name))
    await seen
    times.push(performance.now() - started)
    if ((await readFile(b.path(name), 'utf8')) !== `round ${round}`) throw new Error(`${name} has other bytes`)
    await waitFor('both are idle', async () => (await isIdle(a)) && (await isIdle(b)))
  }
  await verify(a, b)
  times.sort((x, y) => x - y)
  const ms = times[Math.floor(times.length / 2)] ?? Number.NaN
  return { name: `latency, median of ${times.length}`, ms, files: 1, bytes: 8, bytesPerSecond: null, filesPerSecond: null }
}

async function moveIn(name: string, a: Device, b: Device, directory: string): Promise<Measured> {
  const amount = await countFiles(a.beside(directory))
  const before = (await b.call('status.get', {})).folders[0]?.files ?? 0
  return measure(name, a, b, amount, async () => {
    await rename(a.beside(directory), a.path(directory))
    await waitFor(`${directory} arrives`, async () => (await b.call('status.get', {})).folders[0]?.files === before + amount.files, TIMEOUT_MS)
  })
}

async function measure(name: string, a: Device, b: Device, amount: { files: number; bytes: number }, run: () => Promise<void>): Promise<Measured> {
  const started = performance.now()
  await run()
  const ms = performance.now() - started
  await verify(a, b)
  return { name, ms, ...amount, bytesPerSecond: (amount.bytes / ms) * 1000, filesPerSecond: amount.files === 1 ? null : (amount.files / ms) * 1000 }
}

/** Both trees are equal by hash once the devices have settled. */
async function verify(a: Device, b: Device): Promise<void> {
  const { outcome } = await a.call('folders.sync', { timeoutMs: TIMEOUT_MS })
  const different = differences(await treeOf(a.path()), await treeOf(b.path()))
  if (outcome !== 'in-sync' || different.length > 0) throw new Error(`${outcome}, ${different.length} differences:\n${different.slice(0, 10).join('\n')}`)
}

function arrives(device: Device, path: string, bytes: number): Promise<true> {
  return waitFor(`${path} arrives`, () => stat(device.path(path)).then((found) => found.size === bytes || null, () => null), TIMEOUT_MS)
}

function settles(device: Device, gone: string): Promise<true> {
  return waitFor(`${gone} goes`, () => stat(device.path(gone)).then(() => null, () => true as const), TIMEOUT_MS)
}

/** Resolves at the first directory event that names the file; the watch is set before it returns. */
function appears(directory: string, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(directory, (_event, found) => {
      if (found !== name) return
      watcher.close()
      resolve()
    })
    watcher.on('error', reject)
  })
}

async function isIdle(device: Device): Promise<boolean> {
  return (await device.call('status.get', {})).folders[0]?.state === 'idle'
}

async function writeRandom(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w')
  for (let written = 0; written < bytes; written += BLOCK_BYTES) await file.write(randomBytes(Math.min(BLOCK_BYTES, bytes - written)))
  await file.close()
}
