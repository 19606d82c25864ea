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

well('a file in place of a directory that only ignored things keep on one device waits there, with its bytes', 3, [
  { wait: 0, do: 'ignore', on: 2, text: 'd/e\n' },
  { wait: 0, do: 'rest' },
  { wait: 0, do: 'remove', on: 0, path: 'd' },
  { wait: 0, do: 'replace', on: 0, path: 'd', text: 't4' }
], { before: [{ wait: 1, do: 'write', on: 1, path: 'd/e', text: 't1' }] })

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

well(
  'a content stays staged while any path needs it',
  3,
  [
    { wait: 56, do: 'remove', on: 1, path: 'g' },
    { wait: 60, do: 'stop', on: 2 },
    { wait: 0, do: 'write', on: 1, path: 'b.txt', text: 't4' },
    { wait: 0, do: 'mkdir', on: 1, path: 'x/y/z' },
    { wait: 0, do: 'write', on: 0, path: 'g', text: 't5' },
    { wait: 0, do: 'rename', on: 0, path: 'd/e', to: 'd/e/f' },
    { wait: 47, do: 'write', on: 1, path: 'g', text: 't7.............................' },
    { wait: 0, do: 'replace', on: 2, path: 'b.txt', text: 't9' },
    { wait: 0, do: 'write', on: 2, path: 'd/e', text: 't10' }
  ],
  { seed: 5895, weather: { ...CLEAR, slowCalls: 0.2, maxDelayMs: 5, skewMs: 10 } }
)

well('a full disk ends no daemon, and what it kept out comes once there is room', 2, [
  { wait: 0, do: 'rest' },
  { wait: 0, do: 'full', on: 1 },
  { wait: 0, do: 'write', on: 0, path: 'a', text: 't1' },
  { wait: 0, do: 'write', on: 0, path: 'b', text: 't2 in more than one chunk' },
  { wait: 0, do: 'rest' }
])

well('a daemon that stops in the middle of a sync stops', 2, [
  { wait: 0, do: 'rest' },
  { wait: 0, do: 'cut', on: 0, to: 1 },
  { wait: 0, do: 'sync', on: 0 },
  { wait: 100, do: 'stop', on: 0 },
  { wait: 0, do: 'rest' }
])

well('what is ignored is no difference, after a restart too', 4, [
  { wait: 0, do: 'ignore', on: 3, text: '*.txt\n' },
  { wait: 0, do: 'symlink', on: 0, path: 'b.txt', target: 'a' }
])

well(
  'R31: what went while it was ignored comes back once it is not',
  2,
  [
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'ignore', on: 1, text: 'g*\n' },
    { wait: 0, do: 'kill', on: 0, steps: 7 },
    { wait: 21, do: 'remove', on: 1, path: 'g' },
    { wait: 0, do: 'ignore', on: 1, text: 'd/e\n' }
  ],
  {
    seed: 4354,
    before: [
      { wait: 1, do: 'symlink', on: 0, path: 'g/h', target: '../t1' },
      { wait: 1, do: 'replace', on: 0, path: 'd/a', text: 't2.............................' }
    ]
  }
)

well(
  'a copy that the user moved back onto the original is not taken for the copy of the next conflict',
  2,
  [
    { wait: 4817, do: 'remove', on: 0, path: 'd/a' },
    { wait: 0, do: 'cut', on: 1, to: 0 },
    { wait: 0, do: 'replace', on: 0, path: 'a', text: 't5....................' },
    { wait: 0, do: 'mend', on: 0, to: 1 },
    { wait: 0, do: 'write', on: 1, path: 'd', text: '' },
    { wait: 2980, do: 'rename', on: 0, path: 'a', to: 'd' },
    { wait: 0, do: 'copy-restore', on: 1, nth: 2 }
  ],
  { seed: 2087, weather: { ...CLEAR, lostHints: 0.5, slowCalls: 0.05 }, before: [{ wait: 1, do: 'replace', on: 0, path: 'd', text: 't2' }] }
)

well(
  'a version that a crash kept from being taken over is taken over after it',
  2,
  [
    { wait: 0, do: 'mkdir', on: 1, path: 'd/e/f' },
    { wait: 0, do: 'kill', on: 1, steps: 96 },
    { wait: 0, do: 'symlink', on: 1, path: 'a', target: '../t6.....................' },
    { wait: 0, do: 'write', on: 0, path: 'd/b.txt', text: 't7......................................' },
    { wait: 0, do: 'rest' }
  ],
  {
    seed: 6169,
    before: [
      { wait: 1, do: 'rename', on: 0, path: 'd', to: 'd/e/f' },
      { wait: 1, do: 'rename', on: 0, path: 'd/a', to: 'x/y' },
      { wait: 1, do: 'write', on: 0, path: 'a', text: 'same' }
    ]
  }
)

well('a replay after a lost index follows a path that was stated and then left', 2, [
  { wait: 0, do: 'write', on: 0, path: 'b.txt', text: 't1.....' },
  { wait: 4077, do: 'stop', on: 1 },
  { wait: 0, do: 'ignore', on: 0, text: '*.txt\n' },
  { wait: 35, do: 'forget', on: 0 },
  { wait: 0, do: 'ignore', on: 0, text: 'd/e\n' }
])

well(
  'R1: hints that come while a daemon starts take no counter twice',
  2,
  [
    { wait: 0, do: 'kill', on: 1, steps: 47 },
    { wait: 0, do: 'write', on: 1, path: 'x/y', text: 't1' },
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'write', on: 1, path: 'x/y', text: 't5' },
    { wait: 0, do: 'start', on: 1 },
    { wait: 0, do: 'scan', on: 1 },
    { wait: 0, do: 'replace', on: 1, path: 'd/e/f', text: 't18...........' }
  ],
  { seed: 12719, weather: { ...CLEAR, slowCalls: 0.05 } }
)

well(
  'R31: what others stated of a path while it was ignored here is applied over our tombstone',
  2,
  [
    { wait: 0, do: 'rename', on: 1, path: 'b.txt', to: 'd/e/f' },
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'ignore', on: 1, text: 'd\n' },
    { wait: 89, do: 'ignore', on: 1, text: '*.txt\n' },
    { wait: 0, do: 'rename', on: 0, path: 'd', to: 'g' }
  ],
  { seed: 54064, weather: { ...CLEAR, maxDelayMs: 50 } }
)

well('a clock that is set back does not keep a change from being seen', 2, [
  { wait: 0, do: 'rest' },
  { wait: 0, do: 'clock', on: 0, by: -315_576_000_000 },
  { wait: 0, do: 'write', on: 0, path: 'a', text: 't1' },
  { wait: 100, do: 'clock', on: 1, by: -3_600_000 },
  { wait: 0, do: 'write', on: 1, path: 'd/a', text: 't2' }
])

well('a clock that is set back while the first metadata are waited for does not prolong the wait', 2, [
  { wait: 10, do: 'cut', on: 0, to: 1 },
  { wait: 0, do: 'clock', on: 0, by: -315_576_000_000 },
  { wait: 20_000, do: 'write', on: 0, path: 'a', text: 't1' },
  { wait: 0, do: 'stop', on: 1 }
])

well(
  'a device that answers with other bytes harms nobody',
  2,
  [
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'write', on: 0, path: 'a', text: 'one' },
    { wait: 0, do: 'write', on: 0, path: 'd/a', text: 'several chunks of a few bytes each' },
    { wait: 2000, do: 'write', on: 0, path: 'd/b.txt', text: 'two' }
  ],
  { weather: { ...CLEAR, lies: 0.9 } }
)

for (const [name, by] of [['ahead', 315_576_000_000], ['back, and ahead again', -315_576_000_000]] as const) {
  well(`clock: ten years ${name}, and no history goes by age`, 2, [
    { wait: 0, do: 'write', on: 0, path: 'a', text: 'one' },
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'clock', on: 1, by: Math.min(0, by) },
    { wait: 0, do: 'replace', on: 0, path: 'a', text: 'two' },
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'clock', on: 1, by: Math.abs(by) },
    { wait: 3 * 3_600_000, do: 'stop', on: 1 },
    { wait: 0, do: 'start', on: 1 },
    { wait: 3 * 3_600_000, do: 'rest' }
  ])
}

well(
  'a conflict that a rejected deletion ends leaves no problem of the copy that was never made',
  2,
  [
    { wait: 0, do: 'write', on: 1, path: 'x/y', text: 't4.............' },
    { wait: 0, do: 'write', on: 1, path: 'g', text: 't5', during: 40 },
    { wait: 0, do: 'stop', on: 0 },
    { wait: 4187, do: 'write', on: 1, path: 'd', text: 't6' },
    { wait: 51, do: 'mkdir', on: 0, path: 'g/h', during: 47 },
    { wait: 0, do: 'remove', on: 1, path: 'g' },
    { wait: 0, do: 'remove', on: 1, path: 'x' }
  ],
  { guard: 3, seed: 16494, weather: { ...CLEAR, skewMs: 3_600_000 } }
)

well(
  'a copy of a copy that has to be fetched is not asked for again and again',
  2,
  [
    { wait: 0, do: 'write', on: 0, path: 'a', text: 't10' },
    { wait: 0, do: 'kill', on: 1, steps: 5 },
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'write', on: 1, path: 'g', text: 't16..............' },
    { wait: 0, do: 'write', on: 1, path: 'a', text: '', during: 15 },
    { wait: 0, do: 'touch', on: 1, path: 'a', mtime: 1700000000000000 },
    { wait: 0, do: 'start', on: 1 },
    { wait: 4439, do: 'symlink', on: 0, path: 'd/a', target: '../t32................................' },
    { wait: 0, do: 'copy-restore', on: 0, nth: 1 },
    { wait: 2, do: 'copy-edit', on: 1, nth: 0, text: 't35' },
    { wait: 0, do: 'write', on: 1, path: 'a', text: 't39.........', during: 6 }
  ],
  {
    seed: 1463,
    weather: { ...CLEAR, lostHints: 0.5, maxDelayMs: 5, skewMs: 10, disorder: 0 },
    before: [{ wait: 1, do: 'write', on: 0, path: 'd/e', text: 't1.......................................' }]
  }
)

well(
  'a draft that a power cut left, and that the next save of the user writes over, is no loss of ours',
  2,
  [
    { wait: 92, do: 'append', on: 1, path: 'b.txt', text: 'same content in several chunks', during: 46 },
    { wait: 0, do: 'replace', on: 1, path: 'x', text: 't2...................................' },
    { wait: 0, do: 'power', on: 1 },
    { wait: 0, do: 'replace', on: 1, path: 'x', text: 't6' }
  ],
  { seed: 12089, weather: { ...CLEAR, slowCalls: 0.2, skewMs: 3_600_000, disorder: 0 } }
)

well(
  'a file that is not stated yet loses its name to a directory',
  3,
  [
    { wait: 0, do: 'write', on: 1, path: 'x/y/z', text: 't3' },
    { wait: 0, do: 'clock', on: 0, by: -3_600_000 }
  ],
  {
    seed: 280,
    weather: { ...CLEAR, disorder: 0 },
    before: [
      { wait: 1, do: 'rename', on: 2, path: 'x/y', to: 'x/y/z' },
      { wait: 1, do: 'write', on: 0, path: 'd/b.txt', text: 't1' },
      { wait: 1, do: 'write', on: 1, path: 'd', text: 't2' }
    ]
  }
)

well(
  'what is written into a directory that is set aside, and whose name the user gives to a file, stands under a name of its own',
  2,
  [
    { wait: 0, do: 'rest' },
    { wait: 0, do: 'write-aside', on: 1, nth: 1, text: 't12.......................................', during: 18 },
    { wait: 0, do: 'remove', on: 0, path: 'd/e' },
    { wait: 106, do: 'write', on: 0, path: 'd/e/a', text: 't13' },
    { wait: 0, do: 'replace', on: 1, path: 'd/e', text: 't15' }
  ],
  {
    seed: 2,
    weather: { lostHints: 0.5, slowCalls: 0.2, maxDelayMs: 0, nacks: 0, lies: 0, skewMs: 3_600_000, disorder: 0, foretells: false, tellsGone: true },
    before: [
      { wait: 1, do: 'write', on: 0, path: 'd/e/g', text: 't4' },
      { wait: 1, do: 'write', on: 0, path: 'p/q/a', text: 't9...................................' }
    ]
  }
)

well(
  'what an apply displaced is listed though what it put there cannot be read, and so is not stated',
  2,
  [
    { wait: 0, do: 'cut', on: 1, to: 0 },
    { wait: 3274, do: 'write', on: 1, path: 'd/e', text: 't3' },
    { wait: 0, do: 'mend', on: 1, to: 0 },
    { wait: 0, do: 'replace', on: 0, path: 'x/y', text: 't6' },
    { wait: 2006, do: 'deny', on: 0, path: 'x/y' },
    { wait: 0, do: 'write', on: 1, path: 'x/y', text: 't8...........................' },
    { wait: 270, do: 'deny', on: 1, path: 'g' }
  ],
  { seed: 18353, weather: { ...CLEAR, disorder: 0, foretells: false, tellsGone: true } }
)

well(
  'what moved below a directory that is looked at once more before it is stated moves all the same',
  2,
  [
    { wait: 0, do: 'write', on: 1, path: 'x/y/z', text: 't2' },
    { wait: 0, do: 'rename', on: 0, path: 'x/y', to: 'b.txt' },
    { wait: 0, do: 'rename', on: 0, path: 'b.txt', to: 'x/y/z' },
    { wait: 0, do: 'rename', on: 1, path: 'x', to: 'd/e/f' }
  ],
  { seed: 5, calm: true, weather: { lostHints: 0, slowCalls: 0.05, maxDelayMs: 0, nacks: 0, lies: 0, skewMs: 0, disorder: 0, foretells: false, tellsGone: true, ahead: 0 } }
)

well(
  'what was ignored when it was stated comes after a crash behind the change of the rules',
  2,
  [
    { wait: 2296, do: 'write', on: 1, path: 'd', text: 't1..................' },
    { wait: 0, do: 'ignore', on: 0, text: '*.sync-conflict-*\n' },
    { wait: 790, do: 'stop', on: 1 },
    { wait: 0, do: 'start', on: 1 },
    { wait: 0, do: 'symlink', on: 0, path: 'd', target: '../t5' },
    { wait: 70, do: 'cut', on: 0, to: 1 },
    { wait: 0, do: 'ignore', on: 0, text: '' },
    { wait: 56, do: 'stop', on: 0 }
  ],
  { seed: 21647, weather: { ...CLEAR, maxDelayMs: 5, disorder: 0, foretells: false, tellsGone: false, ahead: 0 } }
)

well(
  'what is written to a file while it has the name of its conflict copy as well is found under both',
  3,
  [
    { wait: 4491, do: 'mkdir', on: 0, path: 'b.txt' },
    { wait: 0, do: 'stop', on: 2 },
    { wait: 0, do: 'cut', on: 0, to: 1 },
    { wait: 0, do: 'rename', on: 1, path: 'd/e/f', to: 'd/a' },
    { wait: 0, do: 'replace', on: 1, path: 'b.txt', text: 't12...........................' },
    { wait: 1664, do: 'mkdir', on: 1, path: 'd/e/f' },
    { wait: 0, do: 'write', on: 1, path: 'b.txt', text: 't36....................................', during: 54 },
    { wait: 0, do: 'start', on: 2 },
    { wait: 87, do: 'write', on: 2, path: 'g', text: 't40' }
  ],
  { seed: 51215, weather: { ...CLEAR, slowCalls: 0.2, disorder: 0, foretells: false, tellsGone: true, ahead: 0 } }
)
