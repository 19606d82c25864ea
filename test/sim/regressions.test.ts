/** Shrunk scripts of what the simulation found. Each must stay well. */
import test from 'brittle'
import { runScript } from './run.ts'
import type { Script, Step, Weather } from './script.ts'

const CLEAR: Weather = { lostHints: 0, slowCalls: 0, maxDelayMs: 0, nacks: 0, lies: 0, skewMs: 0 }

function well(name: string, devices: number, steps: readonly Step[], more: Partial<Script> = {}): void {
  test(name, async (t) => {
    const { failures } = await runScript({ seed: 1, devices, calm: false, weather: CLEAR, before: [], steps, ...more })
    t.alike(failures, [])
  })
}

well('two devices with nothing come to rest and know that they are equal', 2, [])

well('news from a peer without work for us starts no cycle', 3, [{ wait: 0, do: 'write', on: 0, path: 'a', text: 't1' }])

well(
  'a change below a directory that an apply made is noticed',
  2,
  [
    { wait: 0, do: 'append', on: 1, path: 'd/b.txt', text: 't7' },
    { wait: 0, do: 'remove', on: 0, path: 'd/b.txt' }
  ],
  { calm: true, before: [{ wait: 1, do: 'write', on: 0, path: 'd/b.txt', text: 't1' }] }
)

well(
  'a change two levels below a directory that an apply made is noticed',
  3,
  [
    { wait: 0, do: 'write', on: 1, path: 'x/y/z', text: 'same' },
    { wait: 0, do: 'replace', on: 0, path: 'x/y/z', text: 't2' },
    { wait: 0, do: 'remove', on: 2, path: 'x/y' }
  ],
  { calm: true }
)

well(
  'a content that was refused once is asked for again',
  2,
  [
    { wait: 0, do: 'write', on: 1, path: 'c.tar.gz', text: 't1.........' },
    { wait: 0, do: 'write', on: 0, path: 'd/b.txt', text: 't2' },
    { wait: 0, do: 'replace', on: 0, path: 'd/e/f', text: '' }
  ],
  { seed: 13, weather: { ...CLEAR, nacks: 0.1 } }
)

well(
  'a conflict copy that waits for another step is not forgotten',
  3,
  [
    { wait: 0, do: 'mkdir', on: 0, path: 'd/b.txt' },
    { wait: 0, do: 'write', on: 0, path: 'd/e', text: 't5' },
    { wait: 0, do: 'kill', on: 0, steps: 78 },
    { wait: 0, do: 'replace', on: 0, path: 'a', text: 't7' },
    { wait: 0, do: 'symlink', on: 1, path: 'x/y/z', target: '../t8....' },
    { wait: 0, do: 'rest' }
  ],
  {
    seed: 48,
    before: [
      { wait: 1, do: 'write', on: 2, path: 'x/y/z', text: 't2................................' },
      { wait: 1, do: 'mkdir', on: 1, path: 'd/a' },
      { wait: 1, do: 'write', on: 0, path: 'x', text: 't4........................' }
    ]
  }
)

well(
  'a content that was replaced before it could be fetched is not waited for',
  3,
  [
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'write', on: 0, path: 'd/e', text: 't8' },
    { wait: 2599, do: 'cut', on: 2, to: 0 },
    { wait: 0, do: 'write', on: 0, path: 'd/e', text: 't12' }
  ],
  { seed: 255, weather: { ...CLEAR, maxDelayMs: 2000 } }
)

well(
  'what was needed for a path that a deletion took is no longer needed',
  2,
  [
    { wait: 2512, do: 'write', on: 0, path: 'd/a', text: 't6' },
    { wait: 0, do: 'touch', on: 1, path: 'g/h', mtime: 4000000000000000 },
    { wait: 2725, do: 'cut', on: 1, to: 0 },
    { wait: 0, do: 'remove', on: 0, path: 'g' }
  ],
  {
    seed: 270,
    before: [
      { wait: 1, do: 'write', on: 1, path: 'g/h', text: 't2' },
      { wait: 1, do: 'write', on: 0, path: 'g/h', text: 't3' }
    ]
  }
)

well(
  'a chmod before the first join is applied or kept, never only stated',
  3,
  [{ wait: 0, do: 'chmod', on: 2, path: 'd', mode: 0o644 }],
  {
    seed: 87,
    weather: { ...CLEAR, slowCalls: 0.05 },
    before: [
      { wait: 1, do: 'write', on: 2, path: 'd/e', text: 'same content in several chunks' },
      { wait: 1, do: 'write', on: 1, path: 'd/a', text: 'same' }
    ]
  }
)

well(
  'a partial content goes from staging when the file is deleted',
  2,
  [
    { wait: 0, do: 'cut', on: 1, to: 0 },
    { wait: 4555, do: 'scan', on: 0 },
    { wait: 0, do: 'remove', on: 1, path: 'd/e/f' }
  ],
  { seed: 211, before: [{ wait: 1, do: 'write', on: 1, path: 'd/e/f', text: 't1...................' }] }
)
