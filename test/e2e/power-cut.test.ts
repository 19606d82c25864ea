/** A sample of the power cuts that `npm run test:power` makes: the disk of one device loses whatever no sync covers. */
import test from 'brittle'
import { cutsOf } from '../power/cuts.ts'
import { FirstStartRig } from '../power/first.ts'
import { PowerRig } from '../power/rig.ts'
import { whyNoShim } from '../shim/shim.ts'

const TIMEOUT_MS = 280_000
const CUTS = 6
const FIRST_CUTS = 8
const SEED = 'sample'

const unable = whyNoShim()
const skip = unable !== null
if (skip) console.log(`# power cuts are skipped: ${unable}`)

test('R16, invariant 2: a power cut in the middle of a sync: nothing lost, no mixture, nothing announced is gone', { timeout: TIMEOUT_MS, skip }, async (t) => {
  const rig = await PowerRig.create(t, SEED)
  t.ok(rig.calls > 200, `${rig.calls} calls were written down`)
  for (const cut of cutsOf(CUTS, SEED)) t.alike((await rig.run(cut)).wrong, [], `${cut.victim} at ${cut.share}`)
})

test('R42: a power cut in the first minute of a device: it starts, takes the folder, and touches no file', { timeout: TIMEOUT_MS, skip }, async (t) => {
  const rig = await FirstStartRig.create(t)
  t.ok(rig.calls > 60, `${rig.calls} calls were written down`)
  for (let i = 0; i < FIRST_CUTS; i++) t.alike(await rig.run((i + 0.5) / FIRST_CUTS, `first-${i}`), [], `after ${i + 0.5} parts of ${FIRST_CUTS}`)
})
