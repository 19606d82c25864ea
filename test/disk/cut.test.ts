/** A file that is cut in parts, on threads, or along a version of it that is known has the chunks that one pass over it has. */
import * as fs from 'node:fs'
import { createCipheriv, randomInt } from 'node:crypto'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { WorkerPool, type Workers } from '../../base/workers.ts'
import { cutLength, CUT_RULES } from '../../daemon/disk/chunk.ts'
import { run } from '../../daemon/disk/cut-task.ts'
import { readContent } from '../../daemon/disk/read-content.ts'
import { chunkId, contentList, type ContentList } from '../../daemon/sync/content.ts'

const MIB = 1024 * 1024

function bytes(length: number, key = 0): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, key), Buffer.alloc(16)).update(Buffer.alloc(length))
}

/** One pass over the bytes in memory. */
function inOnePass(data: Buffer): ContentList {
  const chunks = []
  for (let at = 0; at < data.length; ) {
    const length = cutLength(data, at, data.length, CUT_RULES[0])
    chunks.push({ id: chunkId(data.subarray(at, at + length)), length })
    at += length
  }
  return contentList(0, chunks)
}

async function read(t: Assert, data: Buffer, options: Parameters<typeof readContent>[2]): Promise<ContentList | null> {
  const file = join(await t.tmp(), 'f')
  fs.writeFileSync(file, data)
  const fd = fs.openSync(file, 'r')
  try {
    return await readContent(fd, data.length, options)
  } finally {
    fs.closeSync(fd)
  }
}

/** Runs tasks in this thread, one after the other, and counts them. */
class Here implements Workers {
  readonly size = 3
  readonly queued = 0
  tasks = 0

  async run<Output>(_module: URL, input: unknown): Promise<Output> {
    this.tasks++
    await new Promise((resolve) => setImmediate(resolve))
    return run(input as Parameters<typeof run>[0]) as Output
  }
}

const zeros = Buffer.alloc(70 * MIB + 77)
const data = bytes(70 * MIB + 123)
const edits: Readonly<Record<string, Buffer>> = {
  same: data,
  'overwritten inside': Buffer.concat([data.subarray(0, 40 * MIB), bytes(MIB, 1), data.subarray(41 * MIB)]),
  'inserted at the start': Buffer.concat([bytes(MIB, 2), data]),
  'a byte inserted': Buffer.concat([data.subarray(0, 5 * MIB + 1), Buffer.from('x'), data.subarray(5 * MIB + 1)]),
  'cut off': data.subarray(0, 33 * MIB + 5),
  'cut off inside a chunk of another': data.subarray(0, data.length - 1),
  appended: Buffer.concat([data, bytes(35 * MIB, 3)]),
  'halves swapped': Buffer.concat([data.subarray(35 * MIB), data.subarray(0, 35 * MIB)]),
  'twice': Buffer.concat([data.subarray(0, 34 * MIB), data.subarray(0, 34 * MIB)]),
  'another file': bytes(40 * MIB, 4),
  zeros,
  'zeros and others': Buffer.concat([zeros.subarray(0, 31 * MIB + 5), data.subarray(0, 4 * MIB), zeros.subarray(0, 31 * MIB)])
}

test('parts cut at the same time', { timeout: 180_000 }, async (t) => {
  const here = new Here()
  for (const [name, edited] of Object.entries(edits)) t.is((await read(t, edited, { workers: here }))?.cid, inOnePass(edited).cid, name)
  t.ok(here.tasks > 2 * Object.keys(edits).length, 'in several parts')
})

test('along a known version', { timeout: 180_000 }, async (t) => {
  const known = inOnePass(data)
  for (const [name, edited] of Object.entries(edits)) t.is((await read(t, edited, { workers: new Here(), known }))?.cid, inOnePass(edited).cid, name)
  t.is((await read(t, data, { workers: new Here(), known: inOnePass(zeros) }))?.cid, known.cid, 'a version of zeros')
})

test('along a version that was too small to be cut', async (t) => {
  const small = data.subarray(0, 60 * 1024)
  const known = contentList(0, [{ id: chunkId(small), length: small.length }])
  const repeated = Buffer.concat([data.subarray(0, 2 * MIB + 17), small])
  t.is((await read(t, repeated, { workers: new Here(), known }))?.cid, inOnePass(repeated).cid)
})

test('random edits, on real threads', { timeout: 180_000 }, async (t) => {
  const workers = new WorkerPool()
  t.teardown(() => workers.close())
  let before = data.subarray(0, 40 * MIB)
  for (let round = 0; round < 8; round++) {
    const at = randomInt(before.length)
    const after = Buffer.concat([before.subarray(0, at), bytes(randomInt(300_000), round + 10), before.subarray(at + randomInt(300_000))])
    const found = await read(t, after, { workers, known: inOnePass(before) })
    t.is(found?.cid, inOnePass(after).cid, `at ${at}`)
    before = after
  }
})

test('a file that became shorter meanwhile has no list', async (t) => {
  const file = join(await t.tmp(), 'f')
  fs.writeFileSync(file, data)
  const fd = fs.openSync(file, 'r')
  t.is(await readContent(fd, data.length + 1, { workers: new Here() }), null)
  fs.closeSync(fd)
})

test('an aborted reading has no list, and leaves no thread reading', async (t) => {
  const abort = new AbortController()
  const here = new Here()
  const reading = read(t, data, { workers: here, signal: abort.signal })
  abort.abort()
  t.is(await reading, null)
  const tasks = here.tasks
  await new Promise((resolve) => setImmediate(resolve))
  t.is(here.tasks, tasks)
})
