/** What a scan hands out, and when. */
import test from 'brittle'
import { TaskPool } from '../../daemon/disk/task-pool.ts'

const OPTIONS = { lanes: 2, heavyLanes: 1, heavyBacklog: 10, firstBatch: 4, batch: 10, lingerMs: 60_000 }

test('the first batch is small, and each is twice the one before until they are full', async (t) => {
  const pool = new TaskPool<number>(OPTIONS)
  for (let i = 0; i < 40; i++) pool.add(async () => pool.found(i))
  const sizes: number[] = []
  const items: number[] = []
  for await (const batch of pool.batches(new AbortController().signal)) {
    sizes.push(batch.length)
    items.push(...batch)
  }
  const [first = 0, second = 0, ...rest] = sizes
  t.ok(first >= 4 && first < 8, `the first has ${first}`)
  t.ok(second >= 8 && second <= 10, `the second has ${second}`)
  t.ok(rest.slice(0, -1).every((size) => size >= 10), String(sizes))
  t.alike(items.sort((a, b) => a - b), Array.from({ length: 40 }, (_, i) => i), 'all of them, each once')
})

test('fewer come when nothing else is found', async (t) => {
  const pool = new TaskPool<string>({ ...OPTIONS, lingerMs: 0 })
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  pool.add(async () => pool.found('one'))
  pool.add(async () => await ended)
  const batches: string[][] = []
  for await (const batch of pool.batches(new AbortController().signal)) {
    batches.push([...batch])
    if (batches.length === 1) pool.add(async () => pool.found('two'))
    end()
  }
  t.alike(batches, [['one'], ['two']])
})
