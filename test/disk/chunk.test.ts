/** The cutter is part of the format: what it makes of fixed bytes must never change. */
import * as fs from 'node:fs'
import { createCipheriv, createHash } from 'node:crypto'
import { join } from 'node:path'
import test from 'brittle'
import { cutLength, CUT_RULES, ONE_CHUNK_BYTES } from '../../daemon/disk/chunk.ts'
import { readContent } from '../../daemon/disk/read-content.ts'
import { chunkId } from '../../daemon/sync/content.ts'

/** The same on every machine: the key stream of AES-128 in counter mode. */
function bytes(length: number, key = 0): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, key), Buffer.alloc(16)).update(Buffer.alloc(length))
}

function cutAll(data: Buffer, sizeClass: 0 | 1 = 0): number[] {
  const lengths: number[] = []
  for (let at = 0; at < data.length; at += lengths[lengths.length - 1] as number) lengths.push(cutLength(data, at, data.length, CUT_RULES[sizeClass]))
  return lengths
}

async function contentOf(file: string, data: Buffer) {
  fs.writeFileSync(file, data)
  const fd = fs.openSync(file, 'r')
  const list = await readContent(fd, data.length)
  fs.closeSync(fd)
  if (list === null) throw new Error('unreadable')
  return list
}

test('fixed bytes have fixed chunks and a fixed content id', async (t) => {
  const list = await contentOf(join(await t.tmp(), 'f'), bytes(1_500_000))
  t.alike(list.chunks.map((chunk) => chunk.length), GOLDEN_LENGTHS)
  t.is(list.cid, GOLDEN_CID)
})

test('fixed bytes have fixed chunks in the class of very large files', (t) => {
  t.alike(cutAll(bytes(6_000_000), 1), GOLDEN_LARGE_LENGTHS)
})

test('the fast loop cuts as the definition says', (t) => {
  const data = bytes(2_000_000, 1)
  t.alike(cutAll(data), cutByDefinition(data))
})

test('a streamed file has the chunks of the same bytes in memory', async (t) => {
  const data = bytes(7 * 1024 * 1024 + 123)
  const list = await contentOf(join(await t.tmp(), 'f'), data)
  t.alike(list.chunks.map((chunk) => chunk.length), cutAll(data))
  let at = 0
  t.ok(list.chunks.every((chunk) => chunkId(data.subarray(at, (at += chunk.length))) === chunk.id))
  t.is(list.size, data.length)
})

test('bytes that never cut are cut at the maximum, the last chunk is what is left', async (t) => {
  const list = await contentOf(join(await t.tmp(), 'f'), Buffer.alloc(3 * 1024 * 1024 + 5))
  t.alike(list.chunks.map((chunk) => chunk.length), [...Array.from({ length: 6 }, () => 512 * 1024), 5])
})

test('up to 64 KiB are one chunk, nothing is none, one byte more is cut', async (t) => {
  const file = join(await t.tmp(), 'f')
  t.is((await contentOf(file, Buffer.alloc(0))).chunks.length, 0)
  t.is((await contentOf(file, bytes(1))).chunks.length, 1)
  t.is((await contentOf(file, bytes(ONE_CHUNK_BYTES))).chunks.length, 1)
  t.alike((await contentOf(file, bytes(ONE_CHUNK_BYTES + 1))).chunks.map((chunk) => chunk.length), cutAll(bytes(ONE_CHUNK_BYTES + 1)))
})

test('an insertion changes the chunks around it and no others', (t) => {
  const data = bytes(8_000_000)
  const edited = Buffer.concat([data.subarray(0, 3_000_000), Buffer.from('inserted'), data.subarray(3_000_000)])
  const before = new Set(idsOf(data))
  const changed = idsOf(edited).filter((id) => !before.has(id))
  t.ok(changed.length <= 3, `${changed.length} new chunks`)
})

test('chunks are within the limits of their class, and near the average', (t) => {
  const lengths = cutAll(bytes(16_000_000))
  t.ok(lengths.slice(0, -1).every((length) => length > CUT_RULES[0].min && length <= CUT_RULES[0].max))
  const average = 16_000_000 / lengths.length
  t.ok(average > 100 * 1024 && average < 200 * 1024, `${average}`)
})

test('a file that became shorter while it was read has no list', async (t) => {
  const file = join(await t.tmp(), 'f')
  for (const size of [10, 200_000, 5_000_000]) {
    fs.writeFileSync(file, bytes(size))
    const fd = fs.openSync(file, 'r')
    t.is(await readContent(fd, size + 1), null)
    fs.closeSync(fd)
  }
})

function idsOf(data: Buffer): string[] {
  let at = 0
  return cutAll(data).map((length) => chunkId(data.subarray(at, (at += length))))
}

/** The words of chunk.ts, step by step, with whole numbers of any size. */
function cutByDefinition(data: Buffer): number[] {
  const gear = Array.from({ length: 256 }, (_, i) => BigInt(createHash('sha256').update('p2psync/gear/1\0').update(Uint8Array.of(i)).digest().readUInt32LE(0)))
  const lengths: number[] = []
  for (let start = 0; start < data.length; start += lengths[lengths.length - 1] as number) {
    let length = 32 * 1024
    let hash = 0n
    const end = Math.min(data.length - start, 512 * 1024)
    while (length < end) {
      hash = ((hash << 1n) + (gear[data[start + length] as number] as bigint)) % (1n << 32n)
      const bits = length < 128 * 1024 ? 19n : 15n
      length++
      if (hash >> (32n - bits) === 0n) break
    }
    lengths.push(Math.min(length, data.length - start))
  }
  return lengths
}

const GOLDEN_LENGTHS = [173693, 395550, 152687, 165479, 153611, 184615, 136781, 137584]
const GOLDEN_CID = 'D73vpmiUkDqIrfpLrmfEZvZjIVBV_jEbuSMS9jCeuJY'
const GOLDEN_LARGE_LENGTHS = [1086105, 1123908, 1433854, 1188309, 1051232, 116592]
