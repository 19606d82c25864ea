/** Chunks that come in any order, many at a time, stand where they belong. */
import * as fs from 'node:fs'
import { createCipheriv } from 'node:crypto'
import { join } from 'node:path'
import test from 'brittle'
import { GatheredWrites } from '../../daemon/disk/gathered-writes.ts'

const PIECE = 7000
const COUNT = 1500
const DATA = createCipheriv('aes-128-ctr', Buffer.alloc(16, 9), Buffer.alloc(16)).update(Buffer.alloc(PIECE * COUNT))

test('every write stands at its place, whatever the order, and is told when it is there', async (t) => {
  const path = join(await t.tmp(), 'f')
  const fd = fs.openSync(path, 'w+')
  const writes = new GatheredWrites(fd)
  // 7919 is prime: each piece once, neighbours far apart; the other half in order.
  const order = Array.from({ length: COUNT }, (_, i) => (i % 2 === 0 ? i : (i * 7919) % COUNT | 1))
  const pieces = [...new Set([...order, ...Array.from({ length: COUNT }, (_, i) => i)])]
  let wrong = 0
  await Promise.all(
    pieces.map(async (i) => {
      const piece = DATA.subarray(i * PIECE, (i + 1) * PIECE)
      await writes.write(i * PIECE, piece)
      const there = Buffer.alloc(PIECE)
      fs.readSync(fd, there, 0, PIECE, i * PIECE)
      if (!there.equals(piece)) wrong++
    })
  )
  t.is(wrong, 0)
  await writes.idle()
  fs.closeSync(fd)
  t.ok(fs.readFileSync(path).equals(DATA))
})

test('a write that fails is told to all who were in it, and the next is tried', async (t) => {
  const path = join(await t.tmp(), 'f')
  fs.writeFileSync(path, '')
  const readOnly = fs.openSync(path, 'r')
  const writes = new GatheredWrites(readOnly)
  const outcomes = await Promise.allSettled([writes.write(0, Buffer.from('a')), writes.write(1, Buffer.from('b')), writes.write(9, Buffer.from('c'))])
  t.ok(outcomes.every((outcome) => outcome.status === 'rejected' && (outcome.reason as NodeJS.ErrnoException).code === 'EBADF'))
  await writes.idle()
  fs.closeSync(readOnly)
})
