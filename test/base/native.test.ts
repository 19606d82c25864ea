/** Calls of the C library. */
import test from 'brittle'
import { nativeCall, systemCall } from '../../base/native.ts'

test('a function of the C library is called; one that is not there is none', async (t) => {
  const abs = await nativeCall('int abs(int value)')
  t.is(abs?.(-7), 7)
  t.is(await nativeCall('int p2psync_has_no_such_function(int value)'), null)
})

test('of a system call hundreds are made at once, and each tells its own error', async (t) => {
  const fsync = await systemCall('int fsync(int fd)')
  const results = await Promise.allSettled(Array.from({ length: 600 }, async () => await fsync?.inPool(-1)))
  t.alike([...new Set(results.map((result) => (result.status === 'rejected' ? (result.reason as { code?: string }).code : 'done')))], ['EBADF'])
  t.exception(() => fsync?.atOnce(-1), /EBADF/)
})

test('a call that cannot even be made takes no place of the others', { timeout: 20_000 }, async (t) => {
  const access = await systemCall('int access(const char *path, int mode)')
  const refused = await Promise.allSettled(Array.from({ length: 200 }, async () => await access?.inPool('/', 'no mode')))
  t.is(refused.filter(({ status }) => status === 'rejected').length, 200)
  await access?.inPool('/', 0)
  t.pass('one that can be made is made')
})
