/** What all devices of one simulation share. */
import type { FakeClock } from '../fakes/clock.ts'
import type { FakeNetwork } from '../fakes/network.ts'
import type { SimDevice } from './device.ts'
import type { Ledger } from './ledger.ts'
import type { Weather } from './script.ts'

export interface World {
  readonly clock: FakeClock
  readonly network: FakeNetwork
  readonly weather: Weather
  readonly seed: string
  /** R27's minimum; null: no deletion is held. */
  readonly guard: number | null
  /** Nothing in history expires. */
  readonly keeps: boolean
  /** Whether what was synced and what only written is kept apart: it costs a copy at each write. */
  readonly powerCuts: boolean
  readonly ledger: Ledger
  /** `idle`: it may go on for ever although nothing happens, such as another try at what cannot be done. */
  trace(line: string, idle?: boolean): void
  failed(what: string): void
  devices(): readonly SimDevice[]
}
