/** Short histories, all of them; `npm run sim -- --exhaustive` plays all of three operations too. */
import test from 'brittle'
import { playAll } from './exhaustive.ts'

/** Of those with three operations only every so manieth: all of them take a quarter of an hour. */
const STRIDE = 97

test('all histories of two operations on two devices and two names, and one in a hundred of three, converge and lose nothing', async (t) => {
  t.timeout(0)
  const { played, failed } = await playAll(3, { stride: STRIDE })
  t.alike(failed.slice(0, 3), [])
  // Fewer would be a generator that lost operations.
  t.ok(played > 2000, `${played} histories`)
})
