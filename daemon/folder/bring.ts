/** Contents for a user's request: from what is on this device, else from the devices that hold them; into staging or a place outside. */
import { P2psyncError } from '../../base/errors.ts'
import type { Disk } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import type { FolderContext } from './context.ts'
import { Fetcher } from './fetcher.ts'
import type { KeptFile } from '../ports.ts'

/** Where the bytes go. */
export type Sink = Pick<Disk, 'stage' | 'isStaged'> & Partial<Pick<Disk, 'foresee'>>

interface Wait {
  readonly done: (list: ContentList) => void
  readonly fail: (error: P2psyncError) => void
  readonly file: KeptFile
}

export class Bringer {
  readonly #fetcher: Fetcher
  readonly #waits = new Map<PathKey, Wait>()
  #last = 0

  /** Ends with the signal. */
  constructor({ ports }: FolderContext, sink: Sink, signal: AbortSignal) {
    const { disk, index, peers, log } = ports
    this.#fetcher = new Fetcher({
      disk: {
        stage: (list) => sink.stage(list),
        foresee: async (cid, size) => await sink.foresee?.(cid, size),
        isStaged: (cid) => sink.isStaged(cid),
        read: (place, offset, length) => disk.read(place, offset, length),
        ...(disk.minChunk === undefined ? {} : { minChunk: disk.minChunk })
      },
      index,
      peers,
      log,
      signal,
      staged: (keys) => this.#staged(keys),
      failed: (keys, problem) => this.#failed(keys, new P2psyncError('PATH_DENIED', problem.message)),
      unavailable: (keys) => this.#failed(keys, new P2psyncError('VERSION_UNAVAILABLE', 'no device that is connected now has the bytes of this version; connect the one that holds it and try again'))
    })
    signal.addEventListener('abort', () => this.#failed([...this.#waits.keys()], new P2psyncError('TIMEOUT', 'the request was ended before the bytes were there')), { once: true })
  }

  /** Resolves when it is staged and sealed. Throws VERSION_UNAVAILABLE, PATH_DENIED or TIMEOUT. */
  file(file: KeptFile, sources: readonly DeviceId[]): Promise<ContentList> {
    // Only a key: it never leaves the fetcher.
    const key = `request ${++this.#last}` as PathKey
    return new Promise((done, fail) => {
      this.#waits.set(key, { done, fail, file })
      this.#fetcher.request({ path: key, entry: file, sources })
    })
  }

  #staged(keys: readonly PathKey[]): void {
    for (const key of keys) {
      const wait = this.#waits.get(key)
      const list = wait === undefined ? null : this.#fetcher.listOf(wait.file.cid)
      this.#waits.delete(key)
      if (list !== null) wait?.done(list)
    }
    for (const key of keys) this.#fetcher.keep(key, null)
  }

  #failed(keys: readonly PathKey[], error: P2psyncError): void {
    for (const key of keys) {
      this.#waits.get(key)?.fail(error)
      this.#waits.delete(key)
      this.#fetcher.keep(key, null)
    }
  }
}
