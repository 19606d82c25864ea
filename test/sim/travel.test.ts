/** Time travel and power cuts: restored states and files, lost stores, new keys (R17 to R20), on the seeds that have them. */
import test from 'brittle'
import { runScript } from './run.ts'
import { makeScript, TRAVELS, type Action, type Step, type Weather } from './script.ts'

const CLEAR: Weather = { lostHints: 0, slowCalls: 0, maxDelayMs: 0, nacks: 0, lies: 0, skewMs: 0 }
const HISTORIES = 60

/** A was saved, went on alone with B, is put back, and both edit the same names before they meet. */
async function putBack(action: Action): Promise<{ readonly failures: readonly string[]; readonly trace: readonly string[] }> {
  const steps: Step[] = [
    { wait: 0, do: 'write', on: 0, path: 'a', text: 'first a' },
    { wait: 0, do: 'write', on: 1, path: 'b', text: 'first b' },
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'save', on: 0 },
    { wait: 0, do: 'write', on: 0, path: 'a', text: 'second a' },
    { wait: 0, do: 'write', on: 0, path: 'c', text: 'after the backup' },
    { wait: 0, do: 'rest' },
    // Raises the epoch: what is put back from before is known by it (R18).
    { wait: 0, do: 'scan', on: 0 },
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'cut', on: 0, to: 1 },
    { wait: 0, ...action },
    { wait: 0, do: 'write', on: 0, path: 'a', text: 'third a' },
    { wait: 0, do: 'write', on: 0, path: 'd', text: 'of A alone' },
    { wait: 0, do: 'write', on: 1, path: 'a', text: 'third a of B' },
    { wait: 40_000, do: 'rest' }
  ]
  return await runScript({ seed: 1, devices: 2, calm: false, weather: CLEAR, before: [], steps })
}

for (const what of ['state', 'files', 'both'] as const) {
  test(`R17, R18, R19: ${what} put back, edits on both sides, then they meet`, async (t) => {
    const { failures, trace } = await putBack({ do: 'restore', on: 0, what })
    t.alike(failures, [])
    t.ok(trace.some((line) => line.includes('a new drive takes over')), 'it was noticed')
  })
}

test('R20: a removed device joins with a new key and its old files', async (t) => {
  t.alike((await putBack({ do: 'rejoin', on: 0 })).failures, [])
})

test('R12: a lost store, edits on both sides, then they meet', async (t) => {
  t.alike((await putBack({ do: 'wipe', on: 0 })).failures, [])
})

test('R16: a power cut takes nothing that anybody was told of', async (t) => {
  t.alike((await putBack({ do: 'power', on: 0 })).failures, [])
})

for (const rotations of [0, 1, 2, 3]) {
  for (const between of ['rest', 'stop'] as const) {
    test(`R19: a machine put back behind ${rotations} new drives, its log held by nobody; ${between === 'stop' ? 'restarted' : 'running on'}: what it went on with is no older version of what the others have`, async (t) => {
      const again: Step[] = between === 'stop' ? [{ wait: 0, do: 'stop', on: 0 }, { wait: 1000, do: 'start', on: 0 }] : []
      const { failures, live } = await runScript({
        seed: 1,
        devices: 2,
        calm: false,
        weather: CLEAR,
        before: [],
        steps: [
          { wait: 0, do: 'write', on: 0, path: 'a', text: 'first a' },
          { wait: 0, do: 'write', on: 0, path: 'gone', text: 'deleted after the backup' },
          { wait: 0, do: 'rest' },
          { wait: 0, do: 'save', on: 0 },
          { wait: 0, do: 'write', on: 0, path: 'a', text: 'second a' },
          { wait: 0, do: 'rest' },
          ...again,
          { wait: 0, do: 'remove', on: 0, path: 'gone' },
          { wait: 0, do: 'write', on: 0, path: 'a', text: 'third a' },
          { wait: 0, do: 'rest' },
          ...Array.from({ length: rotations }, (): Step[] => [{ wait: 0, do: 'rotate', on: 0 }, { wait: 0, do: 'rest' }]).flat(),
          { wait: 0, do: 'cut', on: 0, to: 1 },
          { wait: 0, do: 'restore', on: 0, what: 'both' },
          { wait: 1000, do: 'write', on: 0, path: 'a', text: 'of the machine that was put back' },
          { wait: 1000, do: 'write', on: 0, path: 'b', text: 'its own' },
          ...again,
          { wait: 40_000, do: 'rest' },
          { wait: 0, do: 'mend', on: 0, to: 1 },
          { wait: 0, do: 'rest' }
        ]
      })
      t.alike(failures, [])
      t.alike([...live.values()].sort(), ['file its own', 'file of the machine that was put back', 'file third a'], 'and nothing comes back')
    })
  }
}

test(`${HISTORIES} seeded histories with backups put back, power cuts and new keys converge and lose nothing`, async (t) => {
  t.timeout(0)
  for (let seed = 1, played = 0; played < HISTORIES; seed++) {
    const script = makeScript(seed)
    if (!script.steps.some((step) => TRAVELS.has(step.do))) continue
    played++
    const { failures } = await runScript(script)
    if (failures.length > 0) t.fail(`seed ${seed}: ${failures[0]}; replay it with: npm run sim -- --seed ${seed}`)
  }
  t.pass('all played')
})
