/** Errors of the system have the names that the system gives them. */
import test from 'brittle'
import { errnoOf } from '../../base/errors.ts'

test('errors that libuv has no name for have that of the system', (t) => {
  const unnamed = (errno: number): Error => Object.assign(new Error('refused'), { errno, code: `Unknown system error ${errno}` })
  t.is(errnoOf(unnamed(-116)), 'ESTALE')
  t.is(errnoOf(unnamed(-122)), 'EDQUOT')
  t.is(errnoOf(Object.assign(new Error('refused'), { errno: -122, code: 'UNKNOWN' })), 'EDQUOT', 'as a call that is made at once names it')
  t.is(errnoOf(unnamed(-999)), 'Unknown system error -999')
  t.is(errnoOf(Object.assign(new Error('no'), { code: 'ENOENT' })), 'ENOENT')
  t.is(errnoOf(new Error('no code')), null)
})
