/** R1, R14: a new drive takes over with the same writer (compaction, a new folder key), with the folder closed for it or beside it, and a kill at any moment of it, here or there. */
import test from 'brittle'
import { runScript } from './run.ts'
import type { Step, Weather } from './script.ts'
import { BETWEEN_MS, SLOW } from './slow.ts'

const CLEAR: Weather = { ...SLOW, slowCalls: 0 }
const KILLS = 60

const BEFORE: readonly Step[] = [
  { wait: 0, do: 'write', on: 0, path: 'a', text: 'first a' },
  { wait: 0, do: 'write', on: 0, path: 'gone', text: 'is deleted' },
  { wait: 0, do: 'rest' },
  { wait: 0, do: 'remove', on: 0, path: 'gone' },
  { wait: 0, do: 'write', on: 0, path: 'a', text: 'second a' },
  { wait: 0, do: 'rest' },
  // What is applied is synced, and with it what users did before: a power cut does not bring that back.
  { wait: 0, do: 'write', on: 1, path: 'd/b', text: 'of B' },
  { wait: 0, do: 'rest' }
]

for (const [killed, how, beside] of [0, 1].flatMap((on) => (['kill', 'power'] as const).flatMap((end) => [false, true].map((way) => [on, end, way] as const)))) {
  test(`R14: ${how} of ${killed === 0 ? 'the device that gets a new drive' : 'the one that reads it'}, at any moment${beside ? ', made beside the folder' : ''}`, async (t) => {
    t.timeout(0)
    const wrong: string[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      const end: Step = how === 'kill' ? { wait: kill * BETWEEN_MS, do: 'kill', on: killed, steps: 1 } : { wait: kill * BETWEEN_MS, do: 'power', on: killed }
      const { failures, live } = await runScript({
        seed: 1,
        devices: 2,
        calm: false,
        weather: { ...SLOW, beside },
        before: [],
        steps: [
          ...BEFORE,
          { wait: 0, do: 'rotate', on: 0 },
          end,
          { wait: 100, do: 'start', on: killed },
          { wait: 0, do: 'write', on: 0, path: 'a', text: 'third a' },
          { wait: 0, do: 'rest' },
          { wait: 0, do: 'write', on: 1, path: 'd/b', text: 'of B again' },
          { wait: 0, do: 'rest' }
        ]
      })
      const lines = [...live].filter(([, line]) => line.startsWith('file')).map(([path, line]) => `${path}: ${line}`).sort()
      const isRight = lines.join() === 'a: file third a,d/b: file of B again'
      if (failures[0] !== undefined || !isRight) wrong.push(`after ${kill * BETWEEN_MS} ms: ${failures[0] ?? lines.join()}`)
    }
    t.alike(wrong.slice(0, 3), [])
  })
}

for (const beside of [false, true]) {
  test(`R14: a device that was away for three new drives${beside ? ' that were made beside the folder' : ''} merges without loss, and nothing comes back`, async (t) => {
    const rotations: Step[] = [1, 2, 3].flatMap((round): Step[] => [
      { wait: 0, do: 'write', on: 0, path: 'a', text: `a of round ${round}` },
      { wait: 0, do: 'write', on: 1, path: 'd/b', text: `b of round ${round}` },
      { wait: 0, do: 'rest' },
      { wait: 0, do: 'rotate', on: 0 },
      { wait: 0, do: 'rotate', on: 1 },
      { wait: 0, do: 'rest' }
    ])
    const { failures, live, trace } = await runScript({
      seed: 1,
      devices: 3,
      calm: false,
      weather: { ...CLEAR, beside },
      before: [],
      keeps: true,
      steps: [
        ...BEFORE,
        { wait: 0, do: 'write', on: 2, path: 'deleted', text: 'while it was away' },
        { wait: 0, do: 'write', on: 2, path: 'edited', text: 'before' },
        { wait: 0, do: 'rest' },
        { wait: 0, do: 'stop', on: 2 },
        { wait: 1000, do: 'remove', on: 0, path: 'deleted' },
        ...rotations,
        { wait: 90 * 24 * 3_600_000, do: 'write', on: 2, path: 'edited', text: 'while it was off' },
        { wait: 0, do: 'write', on: 2, path: 'd/b', text: 'b of the one that was away' },
        { wait: 0, do: 'start', on: 2 },
        { wait: 0, do: 'rest' }
      ]
    })
    t.alike(failures, [])
    t.ok(trace.filter((line) => line.includes(' retires ')).length > 3, 'the drives before are gone')
    const files = [...live.values()].filter((line) => line.startsWith('file')).sort()
    t.alike(files, ['file a of round 3', 'file b of round 3', 'file b of the one that was away', 'file while it was off'])
  })
}

test('R1: what is written while a drive is made beside the folder, at any moment, is stated by it, and nobody hears less', async (t) => {
  t.timeout(0)
  const wrong: string[] = []
  for (let at = 0; at < KILLS; at++) {
    const { failures, live, trace } = await runScript({
      seed: 1,
      devices: 2,
      calm: false,
      weather: { ...SLOW, beside: true },
      before: [],
      steps: [
        ...BEFORE,
        { wait: 0, do: 'rotate', on: 0 },
        { wait: at * BETWEEN_MS, do: 'write', on: 0, path: 'a', text: 'third a' },
        { wait: 1, do: 'remove', on: 0, path: 'd/b' },
        { wait: 1, do: 'write', on: 0, path: 'new', text: 'new' },
        { wait: 1, do: 'write', on: 1, path: 'of b', text: 'of B' },
        { wait: 0, do: 'rest' },
        { wait: 0, do: 'write', on: 0, path: 'later', text: 'later' },
        { wait: 0, do: 'rest' }
      ]
    })
    const lines = [...live].filter(([, line]) => line.startsWith('file')).map(([path]) => path).sort()
    const isMade = trace.some((line) => line.includes('A has a drive that was made beside')) && trace.some((line) => line.includes('B retires'))
    if (failures[0] !== undefined || !isMade || lines.join() !== 'a,later,new,of b') wrong.push(`after ${at * BETWEEN_MS} ms: ${failures[0] ?? (isMade ? lines.join() : 'none was made')}`)
  }
  t.alike(wrong.slice(0, 3), [])
})
