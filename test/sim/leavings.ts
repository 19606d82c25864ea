/** What a power cut can leave of a device's store, and of its disk: as it was at the last sync, and after each write since. */
import type { DiskImage, DiskStore } from '../fakes/disk-store.ts'
import type { Durability } from '../fakes/drive.ts'
import type { DeviceState } from './state.ts'

export class Leavings {
  /** Both empty until something was written. */
  states: DeviceState[] = []
  images: DiskImage[] = []
  readonly durability: Durability
  readonly #powerCuts: boolean
  readonly #disk: DiskStore

  /** `powerCuts`: false: nothing is kept, as it costs a copy at each write. */
  constructor(powerCuts: boolean, state: () => DeviceState, disk: DiskStore) {
    this.#powerCuts = powerCuts
    this.#disk = disk
    this.durability = {
      wrote: () => void (powerCuts && this.states.push(state().clone())),
      sync: () => {
        if (powerCuts) this.states = [state().clone()]
      }
    }
  }

  /** Something on the disk changed, by us or by a user. */
  diskWritten(): void {
    if (this.#powerCuts) this.images.push(this.#disk.snapshot())
  }

  /** An apply has returned. */
  diskSynced(): void {
    if (this.#powerCuts) this.images = [this.#disk.snapshot()]
  }
}
