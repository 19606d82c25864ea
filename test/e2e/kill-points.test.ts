/**
 * A sample of the kill points that `npm run test:crash` tries: real daemons killed with SIGKILL as they enter a system call that changes
 * a file system.
 */
import test from 'brittle'
import { parsePoint } from '../crash/plan.ts'
import { Rig } from '../crash/rig.ts'
import { whyNotTraceable } from '../crash/tracer.ts'

const TIMEOUT_MS = 280_000
/** One of each kind; what a run does not come to, for its counts differ a little, is no failure. */
const POINTS = [
  'sync receiver:pwrite64:20',
  'sync receiver:fsync:12',
  'sync receiver:link:3',
  'sync receiver:renameat2:3',
  'sync receiver:rename:12',
  'sync receiver:unlink:9',
  'sync sender:write:12',
  'sync sender:fdatasync:3',
  'start receiver:fdatasync:4',
  'start receiver:rename:8',
  'start sender:fsync:6',
  'sync sender:fdatasync:2 receiver:fsync:8',
]

const unable = whyNotTraceable()
const skip = unable !== null
if (skip) console.log(`# kill points are skipped: ${unable}`)

test('kill -9 at system calls that change files, then a restart: nothing lost, mixed or left behind', { timeout: TIMEOUT_MS, skip }, async (t) => {
  // Counts are per thread: with one, they are nearly the same in each run.
  process.env['UV_THREADPOOL_SIZE'] = '1'
  const rig = await Rig.create(t, 'sample')
  let reached = 0
  for (const point of POINTS) {
    const { hits, wrong } = await rig.run(parsePoint(point))
    if (hits.length > 0) reached++
    t.alike(wrong, [], `${point}: ${hits.length === 0 ? 'not reached' : hits.map(({ call, area }) => `${call} in ${area}`).join(', ')}`)
  }
  t.ok(reached > POINTS.length / 2, `${reached} of ${POINTS.length} points were reached`)
})
