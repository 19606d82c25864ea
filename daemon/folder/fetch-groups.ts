/**
 * Which device is asked for which chunks of one content. A device gets the next group as soon as it has answered one before, so that
 * each gives as much as it can. When all are asked for, a device with nothing to do is asked for what others owe still: so a slow or
 * dying one holds up nothing. Pure.
 */
import type { Chunk } from '../sync/content.ts'
import type { DeviceId, ObjectId } from '../sync/ids.ts'

/** A chunk that is wanted, and all the places of the content where it belongs. */
export interface Wanted {
  readonly chunk: Chunk
  readonly offsets: number[]
}

interface Group {
  readonly ids: readonly ObjectId[]
  readonly asked: Set<DeviceId>
  running: number
}

export class Groups {
  readonly #left: ReadonlyMap<ObjectId, Wanted>
  readonly #groups: readonly Group[]
  /** Of each device the first group that it may still be asked for: of all before it was asked, or they are here. */
  readonly #next = new Map<DeviceId, number>()

  /** Chunks leave `left` as they come. */
  constructor(left: ReadonlyMap<ObjectId, Wanted>, groupBytes: number) {
    this.#left = left
    this.#groups = bySize([...left.values()].map((item) => item.chunk), groupBytes)
  }

  /** What this device is asked for next; null: it was asked for all that is left. Call `done` of it when it has answered, or failed. */
  take(device: DeviceId): { readonly ids: readonly ObjectId[]; readonly done: () => void } | null {
    const group = this.#best(device)
    if (group === null) return null
    group.asked.add(device)
    group.running++
    return { ids: group.ids.filter((id) => this.#left.has(id)), done: () => void group.running-- }
  }

  /** The first that nobody is asked for, else one of those that the fewest owe. */
  #best(device: DeviceId): Group | null {
    const groups = this.#groups
    let first = this.#next.get(device) ?? 0
    while (first < groups.length && !this.#isFor(device, groups[first] as Group)) first++
    this.#next.set(device, first)
    let best: Group | null = null
    for (let i = first; i < groups.length && best?.running !== 0; i++) {
      const group = groups[i] as Group
      if ((best === null || group.running < best.running) && this.#isFor(device, group)) best = group
    }
    return best
  }

  #isFor(device: DeviceId, group: Group): boolean {
    return !group.asked.has(device) && group.ids.some((id) => this.#left.has(id))
  }
}

function bySize(chunks: readonly Chunk[], groupBytes: number): Group[] {
  const groups: { ids: ObjectId[]; asked: Set<DeviceId>; running: number }[] = []
  let bytes = Infinity
  for (const { id, length } of chunks) {
    if (bytes + length > groupBytes) {
      groups.push({ ids: [], asked: new Set(), running: 0 })
      bytes = 0
    }
    groups[groups.length - 1]?.ids.push(id as string as ObjectId)
    bytes += length
  }
  return groups
}
