/** R18 on the fakes: files put back from a backup, with a kill at any moment of what follows. */
import test from 'brittle'
import { runScript } from './run.ts'
import { BETWEEN_MS, SLOW } from './slow.ts'

const KILLS = 120

test('R18: a kill at any moment after files were put back from a backup: what is missing comes back', async (t) => {
  t.timeout(0)
  const wrong: string[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const { failures, live } = await runScript({
      seed: 1,
      devices: 2,
      calm: false,
      weather: SLOW,
      before: [],
      steps: [
        { wait: 0, do: 'write', on: 1, path: 'old', text: 'in the backup' },
        { wait: 0, do: 'rest' },
        { wait: 0, do: 'save', on: 1 },
        { wait: 0, do: 'symlink', on: 0, path: 'd/a', target: 'a' },
        { wait: 0, do: 'write', on: 0, path: 'old', text: 'newer' },
        { wait: 0, do: 'rest' },
        { wait: 0, do: 'scan', on: 1 },
        { wait: 0, do: 'rest' },
        { wait: 0, do: 'restore', on: 1, what: 'files' },
        { wait: kill * BETWEEN_MS, do: 'kill', on: 1, steps: 1 },
        { wait: 100, do: 'start', on: 1 }
      ]
    })
    const expected = live.get('d/a') === 'symlink a' && live.get('old') === 'file newer' && live.size === 2
    if (failures[0] !== undefined || !expected) wrong.push(`killed after ${kill * BETWEEN_MS} ms: ${failures[0] ?? JSON.stringify([...live])}`)
  }
  t.alike(wrong.slice(0, 3), [])
})
