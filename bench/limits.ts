/** The parts beside the whole: what this machine does of each alone, so that every figure stands beside its physical limit. */
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, copyFileSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import Corestore from 'corestore'
import Hyperdrive from 'hyperdrive'
import { CUT_RULES, cutLength } from '../daemon/disk/chunk.ts'
import { MIB, seeded, SMALL_BYTES, writeLarge, writeSmall } from './files.ts'
import type { Limit } from './report.ts'
import { receive } from './streams.ts'
import { flushDisk } from './system.ts'

const PART_BYTES = 128 * 1024
/** As many new files as p2psync states at once. */
const FILES_IN_BATCH = 500

export async function measureLimits(directory: string, quick: boolean): Promise<readonly Limit[]> {
  mkdirSync(directory, { recursive: true })
  const bytes = (quick ? 64 : 1024) * MIB
  const files = quick ? 200 : 2000
  const deleted = quick ? 200 : 10_000
  try {
    return [
      rate('SHA-256, one thread', bytes, seconds(() => hashAll(bytes))),
      rate('cutting into chunks, one thread', bytes, seconds(() => cutAll(bytes))),
      rate('cp of one large file with fsync', bytes, copyLarge(directory, bytes)),
      { name: 'files of 4 KiB written, each with fsync, one after the other', unit: 'files/s', value: files / seconds(() => writeFiles(directory, files)) },
      { name: 'files of 512 bytes in directories of a hundred, brought to the disk and deleted, nobody watching', unit: 'files/s', value: deleted / deleteFiles(directory, deleted) },
      { name: 'files of 4 KiB put into a Hyperdrive as its package does it, five hundred at once, nobody reading', unit: 'files/s', value: files / (await putFiles(directory, files)) },
      rate('TCP + Noise, one connection, two threads', bytes / 2, await receive('tcp', bytes / 2)),
      rate('UDX + Noise, one connection, two threads', bytes / 4, await receive('udx', bytes / 4))
    ]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function rate(name: string, bytes: number, inSeconds: number): Limit {
  return { name, unit: 'MiB/s', value: bytes / MIB / inSeconds }
}

function seconds(run: () => void): number {
  const started = performance.now()
  run()
  return (performance.now() - started) / 1000
}

function hashAll(bytes: number): void {
  const part = seeded('hash')(PART_BYTES)
  for (let done = 0; done < bytes; done += PART_BYTES) createHash('sha256').update(part).digest()
}

function cutAll(bytes: number): void {
  const data = seeded('cut')(8 * MIB)
  for (let done = 0; done < bytes; done += data.length) {
    for (let at = 0; at < data.length; ) at += cutLength(data, at, data.length, CUT_RULES[0])
  }
}

function copyLarge(directory: string, bytes: number): number {
  writeLarge(join(directory, 'from'), bytes, 'copy')
  return seconds(() => {
    copyFileSync(join(directory, 'from'), join(directory, 'to'))
    const fd = openSync(join(directory, 'to'), 'r')
    fsyncSync(fd)
    closeSync(fd)
  })
}

function writeFiles(directory: string, count: number): void {
  const data = seeded('files')(SMALL_BYTES)
  for (let i = 0; i < count; i++) {
    const fd = openSync(join(directory, String(i)), 'w')
    writeSync(fd, data)
    fsyncSync(fd)
    closeSync(fd)
  }
}

/** @returns seconds. */
function deleteFiles(directory: string, count: number): number {
  const root = join(directory, 'deleted')
  writeSmall(root, count, 'deleted', 512)
  flushDisk(root)
  return seconds(() => rmSync(root, { recursive: true }))
}

/** @returns seconds. */
async function putFiles(directory: string, count: number): Promise<number> {
  const drive = new Hyperdrive(new Corestore(join(directory, 'drive')), { encryptionKey: randomBytes(32) })
  await drive.ready()
  try {
    const next = seeded('put')
    const started = performance.now()
    for (let i = 0; i < count; i += FILES_IN_BATCH) {
      const batch = drive.batch()
      for (let k = i; k < Math.min(count, i + FILES_IN_BATCH); k++) await batch.put(`/${Math.floor(k / 100)}/${k}.bin`, next(SMALL_BYTES))
      await batch.flush()
    }
    return (performance.now() - started) / 1000
  } finally {
    await drive.close()
  }
}
