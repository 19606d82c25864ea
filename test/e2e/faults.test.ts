/**
 * A sample of the faults that `npm run test:faults` makes: calls of real daemons fail for a while. What they hit is told, everything else
 * goes on, what stood there is whole, and it heals by itself.
 */
import test from 'brittle'
import { FaultRig } from '../faults/rig.ts'
import { CASES } from '../faults/steps.ts'
import { whyNoShim } from '../shim/shim.ts'

const TIMEOUT_MS = 280_000
/** Step and fault, each of which another part of the daemon has to bear. */
const SAMPLE = [
  // While history has no directory of this hour.
  ['apply: fsync history', 'EIO'],
  ['scan: read a directory', 'EACCES'],
  ['scan: open', 'EMFILE'],
  ['scan: read', 'short'],
  ['stage: write', 'ENOSPC'],
  ['stage: write', 'short'],
  ['stage: fsync', 'EIO'],
  ['apply: a new name', 'EROFS'],
  ['apply: link', 'EROFS'],
  ['apply: exchange', 'ESTALE'],
  ['apply: move to history', 'EDQUOT'],
  ['apply: fsync the directory', 'EINTR'],
  ['own directories: open', 'EIO'],
  ['store: write the log', 'ENOSPC'],
  ['store: sync the log (author)', 'EIO']
] as const

const unable = whyNoShim()
const skip = unable !== null
if (skip) console.log(`# faults are skipped: ${unable}`)

test('calls that fail for a while: told, nothing else stops, nothing is lost, and it heals', { timeout: TIMEOUT_MS, skip }, async (t) => {
  const rig = await FaultRig.create(t)
  for (const [name, fault] of SAMPLE) {
    const found = CASES.find((one) => one.step.name === name && one.fault === fault)
    if (found === undefined) throw new Error(`no such case: ${name} ${fault}`)
    const { outcome, wrong } = await rig.run(found)
    t.alike(wrong, [], `${name}, ${fault}: ${outcome}`)
    t.not(outcome, 'not reached')
  }
})
