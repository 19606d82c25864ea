/** The lane of contents of many chunks: a few at a time, each as a pipeline from the files here and from all devices that have it. */
import { setMaxListeners } from 'node:events'
import { keptView } from '../../base/kept-view.ts'
import type { StagedFile } from '../ports.ts'
import { chunkId, contentId, decodeHeader, decodePage, ListReader, pageId, type Chunk, type ContentHeader, type ContentList, type SizeClass } from '../sync/content.ts'
import type { ChunkId, DeviceId, ObjectId, PathKey } from '../sync/ids.ts'
import { parsePath } from '../sync/path.ts'
import { Groups, type Wanted } from './fetch-groups.ts'
import { allSettled, hold, type ChunkPlaces, type Job, type Outcomes, type Sources } from './fetch-sources.ts'

/** Large contents fetched at once. */
export const LARGE_AT_ONCE = 3
/**
 * Wants in flight for one large content at each device: they hide the way there and back. Of a content of large chunks a want is one
 * chunk of up to 4 MiB, and as many again are being written.
 */
const WANTS_AT_ONCE: Readonly<Record<SizeClass, number>> = { 0: 6, 1: 2 }
/** What devices send in one message of small chunks is less: of such a message a chunk is written as it came. */
const FULL_MESSAGE_BYTES = 2 * 1024 * 1024
/** Bytes asked for in one want of a large content. */
const WANT_BYTES = 1024 * 1024
/** Files of the tree from which a content is put together before its chunks are looked up one by one. */
const MAX_COPY_SOURCES = 4
const COPY_PROBES = 9
/** Chunks looked up in one read of the index. */
const LOOKUPS_AT_ONCE = 256
/** Pages of a list that are put together without a pause: some 5 ms. */
const PAGES_AT_ONCE = 4
/** Places of one chunk that are written at once: it may belong in millions. */
const OFFSETS_AT_ONCE = 64
/** Chunks read at once. */
const READS_AT_ONCE = 16

export class LargeLane {
  readonly #sources: Sources
  readonly #outcomes: Outcomes
  readonly #over: () => boolean

  /** `over`: nothing new may be asked for now. */
  constructor(sources: Sources, outcomes: Outcomes, over: () => boolean) {
    this.#sources = sources
    this.#outcomes = outcomes
    this.#over = over
  }

  /** `known`: its list, if there is one. Rejects where staging itself fails. */
  async fetch(job: Job, known: ContentList | null): Promise<void> {
    const list = known ?? (await this.#list(job))
    if (list === null) return this.#outcomes.unavailable(job)
    const staged = await this.#sources.ports.disk.stage(list)
    try {
      await this.#copyKnown(staged)
      const left = await this.#fromHere(staged)
      const { named, others } = this.#sources.usable([job])
      const lanes = WANTS_AT_ONCE[list.sizeClass]
      await this.#askChunks(job, named, staged, left, lanes)
      await this.#askChunks(job, others, staged, left, lanes)
      if (left.size > 0) return this.#outcomes.isWanted(job) ? this.#outcomes.unavailable(job) : this.#outcomes.dropped(job)
      await staged.seal()
    } finally {
      await staged.release()
    }
    this.#outcomes.finished(job, list)
  }

  /** The list proves itself: header by content id, pages by the header. */
  async #list(job: Job): Promise<ContentList | null> {
    const known = (await this.#sources.ports.index.content(job.cid))?.list ?? null
    if (known !== null) return known
    // A list is as long as its content is large, and anybody may say any size.
    await this.#sources.ports.disk.foresee?.(job.cid, job.size)
    for (const device of this.#sources.candidates([job])) {
      const list = await this.#askList(device, job)
      if (list !== null) return list
      if (this.#sources.ports.signal.aborted) return null
    }
    return null
  }

  async #askList(device: DeviceId, job: Job): Promise<ContentList | null> {
    const id = job.cid as string as ObjectId
    const bytes = (await this.#wantAll(device, [id], (_id, data) => contentId(data) === job.cid)).get(id)
    const { minChunk } = this.#sources.ports.disk
    const header = bytes === undefined ? null : decodeHeader(bytes, minChunk)
    if (header === null || header.size !== job.size) return null
    const pages = await this.#wantAll(device, header.pages, (page, data) => pageId(data) === page)
    const chunks = await listed(header, pages, minChunk)
    return chunks === null ? null : { cid: job.cid, sizeClass: header.sizeClass, size: header.size, chunks }
  }

  /** Another version of the file, or a copy of it, gives what it shares in one go. */
  async #copyKnown(staged: StagedFile): Promise<void> {
    if (staged.copy === undefined) return
    const tried = new Set<PathKey>()
    while (tried.size < MAX_COPY_SOURCES && !this.#over()) {
      const missing = staged.missing()
      const source = await this.#copySource(missing, tried)
      if (source === null) return
      tried.add(source.path)
      const offsets = new Map<ChunkId, number>()
      let offset = 0
      for (const { id, length } of source.list.chunks) {
        offsets.set(id, offset)
        offset += length
      }
      await staged.copy({ area: 'tree', path: source.path }, offsets)
    }
  }

  /** A file of the tree that holds one of some chunks from all over the content. */
  async #copySource(missing: ReturnType<StagedFile['missing']>, tried: ReadonlySet<PathKey>): Promise<{ readonly path: PathKey; readonly list: ContentList } | null> {
    const { index } = this.#sources.ports
    for (let probe = 0; probe < COPY_PROBES; probe++) {
      const chunk = missing[Math.floor(((missing.length - 1) * probe) / (COPY_PROBES - 1))]?.chunk
      const found = chunk === undefined ? null : await index.find(chunk.id as string as ObjectId, 'chunk')
      for (const { place } of found?.kind === 'chunk' ? found.at : []) {
        const path = place.area === 'tree' ? parsePath(place.path) : null
        const row = path === null || tried.has(path) ? null : await index.row(path)
        if (path === null || row === null || row.entry.kind !== 'file') continue
        const content = await index.content(row.entry.cid)
        if (content !== null) return { path, list: content.list }
      }
    }
    return null
  }

  /** Fills what this device already has, under whatever name; returns what is left, by chunk id with all its offsets. */
  async #fromHere(staged: StagedFile): Promise<Map<ObjectId, Wanted>> {
    const left = new Map<ObjectId, Wanted>()
    for (const { chunk, offset } of staged.missing()) {
      const id = chunk.id as string as ObjectId
      const wanted = left.get(id)
      if (wanted === undefined) left.set(id, { chunk, offsets: [offset] })
      else wanted.offsets.push(offset)
    }
    const all = [...left.values()]
    for (let at = 0; at < all.length && !this.#over(); at += LOOKUPS_AT_ONCE) {
      const some = all.slice(at, at + LOOKUPS_AT_ONCE)
      const places = await Promise.all(some.map(async ({ chunk }) => await this.#sources.placesOf(chunk)))
      const here = some.flatMap((wanted, i) => (places[i]?.length ? [{ wanted, places: places[i] }] : []))
      for (let i = 0; i < here.length && !this.#over(); i += READS_AT_ONCE) {
        await allSettled(here.slice(i, i + READS_AT_ONCE).map(async (found) => await this.#takeLocal(staged, found.wanted, found.places, left)))
      }
    }
    return left
  }

  async #takeLocal(staged: StagedFile, { chunk, offsets }: Wanted, places: ChunkPlaces, left: Map<ObjectId, Wanted>): Promise<void> {
    const data = await this.#sources.readFrom(places, chunk)
    if (data === null) return
    for (const offset of offsets) await staged.write(offset, data)
    left.delete(chunk.id as string as ObjectId)
  }

  /** Asks all of them at once, each as fast as it answers; ends when all is here or none has more. */
  async #askChunks(job: Job, devices: readonly DeviceId[], staged: StagedFile, left: Map<ObjectId, Wanted>, wantsAtOnce: number): Promise<void> {
    if (left.size === 0 || devices.length === 0) return
    const groups = new Groups(left, WANT_BYTES)
    const complete = new AbortController()
    const signal = AbortSignal.any([this.#sources.ports.signal, complete.signal])
    setMaxListeners(0, signal)
    const lanes = devices.map((device) => ({ device, lost: false }))
    const lane = async (source: { readonly device: DeviceId; lost: boolean }): Promise<void> => {
      // The next group is asked for while this one is written, and no more than that: the disk sets the pace.
      let writing: Promise<void> = Promise.resolve()
      for (let group = groups.take(source.device); group !== null && !this.#over() && this.#outcomes.isWanted(job); group = source.lost ? null : groups.take(source.device)) {
        try {
          const { answered, written } = await this.#askGroup(source.device, staged, left, group.ids, signal)
          // Whatever it meets is told by the next turn, and waited for by the release of the staged content.
          written.catch(() => undefined)
          if (!answered) source.lost = true
          await writing
          writing = written
        } catch (error) {
          complete.abort()
          throw error
        }
        group.done()
        if (left.size === 0) complete.abort()
      }
      await writing
    }
    await allSettled(lanes.flatMap((source) => Array.from({ length: wantsAtOnce }, () => lane(source))))
  }

  /** `answered`: false if the device cannot be asked any more. `written`: what came is in staging. */
  async #askGroup(device: DeviceId, staged: StagedFile, left: Map<ObjectId, Wanted>, ids: readonly ObjectId[], signal: AbortSignal): Promise<{ readonly answered: boolean; readonly written: Promise<void> }> {
    const writes: Promise<void>[] = []
    const answered = await this.#sources.want(
      device,
      ids,
      (id, data) => {
        const item = left.get(id)
        if (item === undefined || data === null || chunkId(data) !== item.chunk.id) return
        left.delete(id)
        this.#outcomes.received(data.length)
        const kept = keptView(data, FULL_MESSAGE_BYTES)
        hold(writes, writeAll(staged, item.offsets, kept))
      },
      signal
    )
    return { answered, written: allSettled(writes) }
  }

  async #wantAll(device: DeviceId, ids: readonly ObjectId[], valid: (id: ObjectId, data: Buffer) => boolean): Promise<Map<ObjectId, Buffer>> {
    const got = new Map<ObjectId, Buffer>()
    await this.#sources.want(device, ids, (id, data) => {
      if (data !== null && valid(id, data)) got.set(id, keptView(data))
    })
    return got
  }
}

async function writeAll(staged: StagedFile, offsets: readonly number[], data: Buffer): Promise<void> {
  for (let at = 0; at < offsets.length; at += OFFSETS_AT_ONCE) {
    await allSettled(offsets.slice(at, at + OFFSETS_AT_ONCE).map(async (offset) => await staged.write(offset, data)))
  }
}

/** Null where these pages are not all, or no list. A page that is named several times is held once. */
async function listed(header: ContentHeader, pages: ReadonlyMap<ObjectId, Buffer>, minChunk: number | undefined): Promise<readonly Chunk[] | null> {
  const reader = new ListReader(header, minChunk)
  const decoded = new Map<ObjectId, readonly Chunk[] | null>()
  for (const [i, id] of header.pages.entries()) {
    if (i % PAGES_AT_ONCE === PAGES_AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve))
    const rows = pages.get(id)
    let page = decoded.get(id)
    if (page === undefined) decoded.set(id, (page = rows === undefined ? null : decodePage(rows, header.sizeClass)))
    if (page === null || !reader.take(page)) return null
  }
  return reader.isWhole ? reader.chunks : null
}
