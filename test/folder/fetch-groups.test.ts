/** Which group a device is asked for: held against the rule as it is written, over many orders of asking, answering and failing. */
import test from 'brittle'
import fc from 'fast-check'
import { Groups, type Wanted } from '../../daemon/folder/fetch-groups.ts'
import type { ChunkId, DeviceId, ObjectId } from '../../daemon/sync/ids.ts'

const DEVICES = ['a', 'b', 'c'].map((name) => name.repeat(64) as DeviceId)
const CHUNKS = 12
/** Two chunks make a group. */
const GROUP_BYTES = 2

type Step = { readonly kind: 'take'; readonly device: number } | { readonly kind: 'done'; readonly which: number } | { readonly kind: 'came'; readonly chunk: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('take' as const), device: fc.nat(DEVICES.length - 1) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('done' as const), which: fc.nat(20) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('came' as const), chunk: fc.nat(CHUNKS - 1) }) }
  ),
  { maxLength: 60 }
)

const id = (chunk: number): ObjectId => `chunk ${chunk}` as ObjectId

interface Model {
  readonly ids: readonly ObjectId[]
  readonly asked: Set<number>
  running: number
}

/** The first that nobody owes, else the first of those that the fewest do; never one that the device was asked for, or of which nothing is missing. */
function expected(model: readonly Model[], device: number, left: ReadonlyMap<ObjectId, Wanted>): Model | null {
  const open = model.filter((group) => !group.asked.has(device) && group.ids.some((each) => left.has(each)))
  return open.reduce<Model | null>((best, group) => (best === null || group.running < best.running ? group : best), null)
}

test('a device gets the first group that nobody owes, else one that the fewest owe, and none twice', (t) => {
  fc.assert(
    fc.property(steps, (acts) => {
      const left = new Map(Array.from({ length: CHUNKS }, (_, i): [ObjectId, Wanted] => [id(i), { chunk: { id: id(i) as string as ChunkId, length: 1 }, offsets: [i] }]))
      const groups = new Groups(left, GROUP_BYTES)
      const model = Array.from({ length: CHUNKS / GROUP_BYTES }, (_, i): Model => ({ ids: [id(2 * i), id(2 * i + 1)], asked: new Set(), running: 0 }))
      const owed: { readonly done: () => void; readonly group: Model }[] = []
      for (const act of acts) {
        if (act.kind === 'came') left.delete(id(act.chunk))
        else if (act.kind === 'done') {
          const [one] = owed.splice(act.which % Math.max(1, owed.length), 1)
          one?.done()
          if (one !== undefined) one.group.running--
        } else {
          const group = expected(model, act.device, left)
          const taken = groups.take(DEVICES[act.device] as DeviceId)
          if ((taken === null) !== (group === null)) return false
          if (taken === null || group === null) continue
          if (taken.ids.join() !== group.ids.filter((each) => left.has(each)).join()) return false
          group.asked.add(act.device)
          group.running++
          owed.push({ done: taken.done, group })
        }
      }
      return true
    }),
    { seed: 7, numRuns: 2000 }
  )
  t.pass('2,000 orders')
})
