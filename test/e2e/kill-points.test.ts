/**
 * A sample of the kill points that `npm run test:crash` tries: real daemons killed with SIGKILL as they make a call that changes a
 * file system.
 */
import test from 'brittle'
import { formatPoint, pointsOf, Queue } from '../crash/plan.ts'
import { Rig } from '../crash/rig.ts'
import { Random } from '../fakes/random.ts'
import { whyNoShim } from '../shim/shim.ts'

const TIMEOUT_MS = 280_000
/** Each kind of call comes early in the queue, so that these are of many kinds. */
const REACHED = 24
/** Counts differ from run to run, with what is gathered into one batch: a point that is not reached gives way to the next one. */
const TRIED = 60
const SEED = 'sample'

const unable = whyNoShim()
const skip = unable !== null
if (skip) console.log(`# kill points are skipped: ${unable}`)

test('kill -9 at calls that change files, then a restart: nothing lost, mixed or left behind', { timeout: TIMEOUT_MS, skip }, async (t) => {
  const rig = await Rig.create(t, SEED)
  const queue = new Queue(pointsOf({ sync: await rig.profile('sync'), start: await rig.profile('start') }), TRIED, new Random(SEED))
  let reached = 0
  for (let points = queue.take(); points.length > 0 && reached < REACHED; points = queue.take()) {
    const outcome = await rig.run(points)
    reached += outcome.reached.length
    t.alike(outcome.wrong, [], points.map(formatPoint).join(', '))
  }
  t.alike(await rig.doctor(), [], 'disk, index, drive and blocks agree')
  t.ok(reached >= REACHED, `${reached} points were reached of ${TRIED - queue.left} that were tried`)
})
