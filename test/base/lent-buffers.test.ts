/** A buffer that is lent is nobody else's until all of its parts are back. */
import test from 'brittle'
import { LentBuffers } from '../../base/lent-buffers.ts'

const MIB = 1024 * 1024

test('it is lent again when the last part is back, not before', (t) => {
  const buffers = new LentBuffers()
  const first = buffers.lend(MIB, 2)
  t.is(first.length, MIB)
  buffers.giveBack(first.subarray(0, 10))
  t.not(buffers.lend(MIB, 1).buffer, first.buffer, 'a part is still out')
  buffers.giveBack(first.subarray(10))
  const again = buffers.lend(2 * MIB, 1)
  t.is(again.buffer, first.buffer)
  t.is(again.length, 2 * MIB, 'whatever was asked for before')
  t.not(buffers.lend(2 * MIB, 1).buffer, first.buffer, 'once')
})

test('what was not lent, or is back already, is never lent', (t) => {
  const buffers = new LentBuffers()
  const foreign = Buffer.allocUnsafeSlow(2 * MIB)
  buffers.giveBack(foreign)
  const lent = buffers.lend(MIB, 1)
  t.not(lent.buffer, foreign.buffer)
  buffers.giveBack(lent)
  buffers.giveBack(lent)
  const [one, two] = [buffers.lend(MIB, 1), buffers.lend(MIB, 1)]
  t.is(one.buffer, lent.buffer)
  t.not(two.buffer, lent.buffer)
})

test('small and very large ones are made as they are asked for', (t) => {
  const buffers = new LentBuffers()
  for (const bytes of [0, 100, 3 * MIB]) {
    const made = buffers.lend(bytes, 1)
    t.is(made.length, bytes)
    buffers.giveBack(made)
    t.not(buffers.lend(bytes, 1).buffer, made.buffer)
  }
})
