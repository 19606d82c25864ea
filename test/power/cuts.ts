/** Moments spread over a sync, the victims in turn. */
import { Random } from '../fakes/random.ts'
import type { Cut } from './rig.ts'

export function cutsOf(count: number, seed: string): Cut[] {
  const random = new Random(`${seed}/cuts`)
  return Array.from({ length: count }, (_, i) => ({
    victim: i % 3 === 2 ? 'sender' : 'receiver',
    share: Number(((i + random.next()) / count).toFixed(4)),
    seed: `${seed}-${i}`
  }))
}
