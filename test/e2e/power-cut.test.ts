/** A sample of the power cuts that `npm run test:power` makes: the disk of one device loses whatever no sync covers. */
import test from 'brittle'
import { cutsOf } from '../power/cuts.ts'
import { PowerRig } from '../power/rig.ts'
import { whyNoShim } from '../shim/shim.ts'

const TIMEOUT_MS = 280_000
const CUTS = 6
const SEED = 'sample'

const unable = whyNoShim()
const skip = unable !== null
if (skip) console.log(`# power cuts are skipped: ${unable}`)

test('R16, invariant 2: a power cut in the middle of a sync: nothing lost, no mixture, nothing announced is gone', { timeout: TIMEOUT_MS, skip }, async (t) => {
  const rig = await PowerRig.create(t, SEED)
  t.ok(rig.calls > 200, `${rig.calls} calls were written down`)
  for (const cut of cutsOf(CUTS, SEED)) t.alike((await rig.run(cut)).wrong, [], `${cut.victim} at ${cut.share}`)
})
