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
  #groups: Group[]

  /** Chunks leave `left` as they come. */
  constructor(left: ReadonlyMap<ObjectId, Wanted>, groupBytes: number) {
    this.#left = left
    this.#groups = bySize([...left.values()].map((item) => item.chunk), groupBytes)
  }

  /** What this device is asked for next; null: it was asked for all that is left. Call `done` of it when it has answered, or failed. */
  take(device: DeviceId): { readonly ids: readonly ObjectId[]; readonly done: () => void } | null {
    this.#groups = this.#groups.filter((group) => group.ids.some((id) => this.#left.has(id)))
    let best: Group | null = null
    for (const group of this.#groups) {
      if (group.asked.has(device) || (best !== null && group.running >= best.running)) continue
      best = group
      if (group.running === 0) break
    }
    if (best === null) return null
    const group = best
    group.asked.add(device)
    group.running++
    return { ids: group.ids.filter((id) => this.#left.has(id)), done: () => void group.running-- }
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
