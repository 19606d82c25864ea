/** When so many events came that some may be missing. */
import test from 'brittle'
import { EventFlood } from '../../daemon/disk/event-flood.ts'

async function turn(flood: EventFlood, events: number): Promise<void> {
  for (let i = 0; i < events; i++) flood.count()
  await new Promise((resolve) => setImmediate(resolve))
}

test('three quarters of the queue in one turn are doubtful, for every folder, once', async (t) => {
  const flood = new EventFlood(100)
  const doubts = [0, 0]
  flood.add(() => doubts[0]!++)
  const second = (): void => void doubts[1]!++
  flood.add(second)
  await turn(flood, 74)
  t.alike(doubts, [0, 0])
  await turn(flood, 75)
  t.alike(doubts, [1, 1])
  flood.remove(second)
  await turn(flood, 200)
  t.alike(doubts, [2, 1])
})

test('events of several turns are no flood', async (t) => {
  const flood = new EventFlood(100)
  let doubts = 0
  flood.add(() => doubts++)
  for (let i = 0; i < 20; i++) await turn(flood, 70)
  t.is(doubts, 0)
})

test('after a watch was closed that events may have waited for, half of the queue is doubtful, for two turns', async (t) => {
  const flood = new EventFlood(100)
  let doubts = 0
  flood.add(() => doubts++)
  flood.closedEarly()
  await turn(flood, 50)
  t.is(doubts, 1)
  await turn(flood, 50)
  t.is(doubts, 2)
  await turn(flood, 50)
  t.is(doubts, 2)
})
