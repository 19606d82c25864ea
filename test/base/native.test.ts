/** Calls of the C library. */
import test from 'brittle'
import { nativeCall } from '../../base/native.ts'

test('a function of the C library is called; one that is not there is none', async (t) => {
  const abs = await nativeCall('int abs(int value)')
  t.is(abs?.(-7), 7)
  t.is(await nativeCall('int p2psync_has_no_such_function(int value)'), null)
})
