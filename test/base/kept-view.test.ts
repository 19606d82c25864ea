/** What is kept of a message is not the whole of it. */
import test from 'brittle'
import { keptView } from '../../base/kept-view.ts'

test('a small part of a message is kept as a copy, most of it as it is', (t) => {
  const message = Buffer.alloc(1024 * 1024, 7)
  const small = message.subarray(10, 110)
  const kept = keptView(small)
  t.alike(kept, small)
  t.not(kept.buffer, small.buffer)
  t.ok(kept.buffer.byteLength <= Buffer.poolSize)
  t.is(keptView(kept).buffer, kept.buffer, 'a copy is not copied again')
  const large = message.subarray(0, 512 * 1024)
  t.is(keptView(large), large)
  t.is(keptView(small, message.length), small, 'where so much may be held on to')
})
