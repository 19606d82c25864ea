/** Which calls are made at once, and when the event loop and other threads get their turn. */
import test from 'brittle'
import { Pace } from '../../daemon/disk/pace.ts'

function harness(): { readonly pace: Pace; readonly made: string[]; call(ms: number): Promise<string> } {
  let now = 0
  const made: string[] = []
  const pace = new Pace(() => now)
  const call = (ms: number) =>
    pace.run(
      () => {
        now += ms
        made.push('at once')
        return 'at once'
      },
      async () => {
        now += ms
        made.push('pooled')
        return 'pooled'
      },
      []
    )
  return { pace, made, call }
}

test('a quick call is made before it is waited for', (t) => {
  const { made, call } = harness()
  void call(0.01)
  t.alike(made, ['at once'])
})

test('after a slice the event loop runs before the next call', async (t) => {
  const { call } = harness()
  let turned = false
  setImmediate(() => (turned = true))
  for (let i = 0; i < 9; i++) await call(0.4)
  t.absent(turned, 'within the slice')
  for (let i = 0; i < 9; i++) await call(0.4)
  t.ok(turned, 'after it')
})

test('a disk that lets most calls wait is asked through the pool, for a while', async (t) => {
  const { made, call } = harness()
  for (let i = 0; i < 12; i++) await call(8)
  t.ok(made.includes('at once') && made.at(-1) === 'pooled')
  await call(2000)
  t.is(await call(0.01), 'at once', 'it is tried again')
})

test('a thread that loses its processor now and then is no slow disk', async (t) => {
  const { made, call } = harness()
  for (let i = 0; i < 200; i++) await call(i % 10 === 0 ? 20 : 0.01)
  t.absent(made.includes('pooled'))
})

test('one call that stalls is enough', async (t) => {
  const { call } = harness()
  await call(400)
  t.is(await call(0.01), 'pooled')
})

test('an error of the call is its own', async (t) => {
  const pace = new Pace()
  await t.exception(
    pace.run(
      () => {
        throw new Error('no such file')
      },
      async () => undefined,
      []
    ),
    /no such file/
  )
})

test('of many calls each is made once; the event loop has its turns, and a slow disk is left to the pool', async (t) => {
  let now = 0
  let turns = 0
  let over = false
  const turn = (): void => {
    turns++
    if (!over) setImmediate(turn)
  }
  setImmediate(turn)
  const pace = new Pace(() => now)
  const made: string[] = []
  const items = Array.from({ length: 100 }, (_, i) => i)
  const atOnce = (item: number): void => {
    now += item < 50 ? 0.4 : 0.8
    made.push(`${item}`)
  }
  await pace.each(items, 4, atOnce, async (item) => void made.push(`${item} pooled`))
  over = true
  t.alike(made.map((each) => parseInt(each)).sort((a, b) => a - b), items)
  t.ok(turns >= 4, `${turns} turns`)
  const pooled = made.filter((each) => each.endsWith('pooled'))
  t.ok(pooled.length > 20 && pooled.length < 50, `${pooled.length} in the pool`)
})

test('a disk that let another thread wait is asked through the pool, for a while', async (t) => {
  const { pace, call } = harness()
  pace.tookElsewhere(100, 30)
  t.absent(pace.isPooled, 'a thread that lost its processor')
  pace.tookElsewhere(100, 80)
  t.ok(pace.isPooled)
  t.is(await call(2000), 'pooled')
  t.absent(pace.isPooled)
})
