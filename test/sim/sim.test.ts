/** The simulation on a number of seeds; `npm run sim` plays a thousand and more. */
import test from 'brittle'
import { runScript } from './run.ts'
import { makeScript } from './script.ts'

const SEEDS = 150

test(`${SEEDS} seeded histories of two to four devices converge and lose nothing`, async (t) => {
  t.timeout(0)
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { failures } = await runScript(makeScript(seed))
    if (failures.length > 0) t.fail(`seed ${seed}: ${failures[0]}; replay it with: npm run sim -- --seed ${seed}`)
  }
  t.pass('all seeds played')
})

test('the same seed gives the same trace', async (t) => {
  for (const seed of [2, 3, 5, 7, 11]) {
    const [first, second] = [await runScript(makeScript(seed)), await runScript(makeScript(seed))]
    t.is(first.hash, second.hash)
  }
})

test('a simulation that lost a content would say so', async (t) => {
  const script = makeScript(1)
  const { failures } = await runScript({
    ...script,
    devices: 2,
    calm: false,
    before: [],
    steps: [
      { wait: 0, do: 'write', on: 0, path: 'a', text: 'kept' },
      { wait: 0, do: 'rest' },
      // Nobody gave it up in the ledger, and it is gone.
      { wait: 0, do: 'vanish', on: 0, path: 'a' }
    ]
  })
  t.ok(failures.some((failure) => failure.startsWith('[lost]')))
})
