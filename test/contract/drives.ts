/** What own and remote drives must do together, by the words of daemon/ports.ts. Runs on the fakes and on the real ones. */
import test, { type Assert } from 'brittle'
import type { OwnDrive, Publication, Published, ReadChunk, RemoteBatch, RemoteDrive } from '../../daemon/ports.ts'
import { chunkId, contentList, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { ChunkId, PathKey, WriterId } from '../../daemon/sync/ids.ts'

export interface DrivesBench {
  own: OwnDrive
  remote: RemoteDrive
  /** Until the reader has all that the writer published. */
  caughtUp(): Promise<void>
  /** Both daemons end and start again. */
  reopen(): Promise<void>
}

type Bench = DrivesBench & { readonly files: Files }
type Check = (what: string, run: (t: Assert, bench: Bench) => Promise<void>) => void

const WRITER = '0123456789abcdef' as WriterId
const MTIME = '1700000000123456000'

export function drivesContract(name: string, makeBench: (t: Assert) => Promise<DrivesBench>): void {
  const check: Check = (what, run) => {
    test(`${name} drives: ${what}`, async (t) => await run(t, Object.assign(await makeBench(t), { files: new Files() })))
  }
  publishing(check)
  stating(check)
  reading(check)
  replaying(check)
}

function publishing(check: Check): void {
  check('results come in the order given, and only what was published is stated', async (t, { own, files }) => {
    const results = await own.publish([files.file('a', 'one', 1), directory('d', 2), files.file('d/b', 'two chunks of it', 3), tombstone('gone', 4)], files.read)
    t.alike(results.map((result) => result.kind), ['done', 'done', 'done', 'done'])
    t.alike(results.map((result) => (result.kind === 'done' ? result.blob?.blockLength ?? null : null)), [1, null, 2, null])
    t.alike((await replay(own, 0)).map((item) => item.path as string), ['a', 'd', 'd/b', 'gone'])
  })

  check('a file whose bytes are not what its list says is not published, the others are', async (t, { own, files }) => {
    const changed = files.file('changed', 'was this', 1)
    files.lose('changed')
    const results = await own.publish([changed, files.file('a', 'one', 2)], files.read)
    t.alike(results.map((result) => result.kind), ['unreadable', 'done'])
    t.alike((await replay(own, 0)).map((item) => item.path as string), ['a'])
  })

  check('a content that is in the drive already is not read again', async (t, { own, files }) => {
    const first = files.file('a', 'some content of two', 1)
    const [published] = await own.publish([first], files.read)
    const again: Publication = { ...first, path: key('b'), content: { list: first.content?.list as ContentList, blob: blobOf(published) } }
    const [result] = await own.publish([again], () => Promise.reject(new Error('read again')))
    t.alike(blobOf(result), blobOf(published))
  })

  check('the length grows with each publication, and not without one', async (t, { own, files }) => {
    const before = own.length
    await own.publish([directory('d', 1)], files.read)
    const after = own.length
    t.ok(after > before)
    const lost = files.file('lost', 'x', 2)
    files.lose('lost')
    await own.publish([lost], files.read)
    await own.publish([], files.read)
    t.is(own.length, after)
  })

  check('the head names the drive, its length, and a hash that only that history has', async (t, { own, files }) => {
    await own.publish([directory('d', 1)], files.read)
    const first = await own.head()
    t.alike([first.key, first.length, first.fork], [own.key, own.length, 0])
    t.alike(await own.head(), first)
    await own.publish([directory('e', 2)], files.read)
    t.not((await own.head()).treeHash, first.treeHash)
  })

  check('empty files have no blocks', async (t, { own, files }) => {
    const [result] = await own.publish([files.file('empty', '', 1)], files.read)
    t.alike([result?.kind, blobOf(result)?.blockLength ?? 0, blobOf(result)?.byteLength ?? 0], ['done', 0, 0])
  })
}

function stating(check: Check): void {
  check('what is stated now can be asked, and which paths are', async (t, { own, files }) => {
    await own.publish([files.file('a', 'one', 1), directory('d', 2), files.file('d/b', 'two chunks of it', 3), tombstone('gone', 4)], files.read)
    await own.publish([directory('a', 5), { path: key('d/b'), entry: null, content: null }], files.read)
    const stated = await own.stated([key('a'), key('d'), key('d/b'), key('gone'), key('never')])
    t.alike(stated.map((each) => each?.entry.kind ?? null), ['directory', 'directory', null, 'tombstone', null])
    const paths: string[] = []
    for await (const batch of own.paths()) paths.push(...batch)
    t.alike(paths.sort(), ['a', 'd', 'gone'])
  })

  check('a drive that was only written to has no fault', async (t, { own, files }) => {
    await own.publish([directory('d', 1), files.file('empty', '', 2)], files.read)
    const { nodes, faults } = await own.audit(new AbortController().signal)
    t.ok(nodes > 0)
    t.alike(faults, [])
    const [empty] = await own.stated([key('empty')])
    t.alike(await own.verify(empty as NonNullable<typeof empty>), { blocks: 0, fault: null })
  })
}

function reading(check: Check): void {
  check('a reader sees every statement as it was made', async (t, bench) => {
    const { own, files } = bench
    const given = [files.file('a', 'one', 1), directory('d', 2), files.file('d/long', 'more than one chunk here', 3), symlink('l', '../ä\n"\\', 4), tombstone('gone', 5), files.file('d/empty', '', 6)]
    await own.publish(given, files.read)
    await bench.caughtUp()
    t.alike(stated(await changes(bench.remote, null)), new Map(given.map(({ path, entry }) => [path, entry])))
    t.alike([bench.remote.key, bench.remote.length, bench.remote.fork], [own.key, own.length, 0])
  })

  check('from a checkpoint on it sees what changed, and the last word on each path', async (t, bench) => {
    const { own, files } = bench
    await own.publish([files.file('a', 'one', 1), directory('d', 2), symlink('s', 'x', 3)], files.read)
    await bench.caughtUp()
    const last = (await changes(bench.remote, null)).at(-1) as RemoteBatch
    t.alike(await changes(bench.remote, last), [])
    const turned = [directory('a', 4), tombstone('d', 5), files.file('n', 'new', 6)]
    await own.publish([files.file('a', 'two', 7)], files.read)
    await own.publish(turned, files.read)
    await bench.caughtUp()
    t.alike(stated(await changes(bench.remote, last)), new Map(turned.map(({ path, entry }) => [path, entry])))
  })

  check('each batch has a path once, and ends where the writer stood', async (t, bench) => {
    const { own, files } = bench
    const lengths = new Set<number>()
    for (let n = 1; n <= 40; n++) {
      await own.publish([directory('same', n), symlink(`s${n % 3}`, `${n}`, 100 + n)], files.read)
      lengths.add(own.length)
    }
    await bench.caughtUp()
    const batches = await changes(bench.remote, null)
    for (const batch of batches) t.is(new Set(batch.changes.map((change) => change.path)).size, batch.changes.length)
    t.is(batches.at(-1)?.length, own.length)
    t.ok(batches.every((batch) => lengths.has(batch.length)))
  })

  check('a kind that changes is one statement, whatever there was', async (t, bench) => {
    const { own, files } = bench
    for (const publication of [files.file('p', 'x', 1), tombstone('p', 2), directory('p', 3), symlink('p', 'y', 4), files.file('p', 'z', 5), directory('p', 6)]) {
      const since = { length: bench.remote.length, fork: 0 }
      await own.publish([publication], files.read)
      await bench.caughtUp()
      t.alike(stated(await changes(bench.remote, since)), new Map([[publication.path, publication.entry]]), publication.entry?.kind)
    }
    t.alike(stated(await changes(bench.remote, null)), new Map([[key('p'), directory('p', 6).entry]]))
  })

  check('a path that left the drive is told as no opinion', async (t, bench) => {
    const { own, files } = bench
    await own.publish([files.file('a', 'one', 1), directory('d', 2)], files.read)
    await bench.caughtUp()
    const since = { length: bench.remote.length, fork: 0 }
    await own.publish([leave('a'), leave('d')], files.read)
    await bench.caughtUp()
    t.alike(stated(await changes(bench.remote, since)), new Map<PathKey, Entry | null>([[key('a'), null], [key('d'), null]]))
  })

  check('what has arrived is there after a restart', async (t, bench) => {
    await bench.own.publish([directory('d', 1), tombstone('x', 2)], bench.files.read)
    await bench.caughtUp()
    await bench.reopen()
    t.is(bench.remote.length, bench.own.length)
    t.is(stated(await changes(bench.remote, null)).size, 2)
  })
}

function replaying(check: Check): void {
  check('a writer reads back what it stated after a length, with lists and blobs', async (t, { own, files }) => {
    await own.publish([directory('before', 1)], files.read)
    const from = own.length
    const given = [files.file('a', 'one', 2), files.file('b', 'of more than one chunk', 3), symlink('l', 'x', 4), tombstone('g', 5)]
    const results = await own.publish(given, files.read)
    const replayed = await replay(own, from)
    t.alike(replayed.map(({ path, entry }) => ({ path, entry })), given.map(({ path, entry }) => ({ path, entry })))
    t.alike(replayed.map((item) => item.blob), results.map(blobOf))
    t.alike(replayed.map((item) => item.list), given.map((item) => item.content?.list ?? null))
    t.alike(await replay(own, own.length), [])
  })

  check('statements, writer and length outlive the daemon', async (t, bench) => {
    await bench.own.publish([directory('d', 1), bench.files.file('d/a', 'one', 2)], bench.files.read)
    await bench.own.publish([leave('d')], bench.files.read)
    const { key: drive, length, writer, generation } = bench.own
    const before = await replay(bench.own, 0)
    await bench.reopen()
    t.alike([bench.own.key, bench.own.length, bench.own.writer, bench.own.generation], [drive, length, writer, generation])
    t.alike(await replay(bench.own, 0), before)
    t.is(before.at(-1)?.entry, null)
  })
}

// ------------------------------------------------------------------------------------------------ helpers

/** The files that are published, and what reads them. */
class Files {
  readonly #chunks = new Map<ChunkId, Buffer>()
  readonly #lost = new Set<PathKey>()

  readonly read: ReadChunk = (path, chunk) => Promise.resolve(this.#lost.has(path) ? null : (this.#chunks.get(chunk.id) ?? null))

  /** Cut every ten bytes. */
  file(path: string, text: string, n: number): Publication {
    const pieces = text.match(/.{1,10}/gs) ?? []
    const list = contentList(0, pieces.map((piece) => this.#chunk(Buffer.from(piece))))
    const only = list.chunks.length === 1 ? list.chunks[0] : undefined
    const entry: Entry = { kind: 'file', ...version(n), mdot: [WRITER, n], mode: 0o644, size: list.size, mtime: MTIME, cid: list.cid, ...(only === undefined ? {} : { chunk: only.id }) }
    return { path: key(path), entry, content: { list, blob: null } }
  }

  lose(path: string): void {
    this.#lost.add(key(path))
  }

  #chunk(data: Buffer): { id: ChunkId; length: number } {
    const id = chunkId(data)
    this.#chunks.set(id, data)
    return { id, length: data.length }
  }
}

function key(path: string): PathKey {
  return path as PathKey
}

function version(n: number): { vv: Record<string, number>; dots: [WriterId, number][] } {
  return { vv: { [WRITER]: n }, dots: [[WRITER, n]] }
}

function directory(path: string, n: number): Publication {
  return { path: key(path), entry: { kind: 'directory', ...version(n), mdot: [WRITER, n], mode: 0o755 }, content: null }
}

function symlink(path: string, target: string, n: number): Publication {
  return { path: key(path), entry: { kind: 'symlink', ...version(n), mtime: MTIME, target }, content: null }
}

function tombstone(path: string, n: number): Publication {
  return { path: key(path), entry: { kind: 'tombstone', ...version(n) }, content: null }
}

function leave(path: string): Publication {
  return { path: key(path), entry: null, content: null }
}

function blobOf(result: Published | undefined) {
  return result?.kind === 'done' ? result.blob : null
}

async function changes(remote: RemoteDrive, since: { readonly length: number; readonly fork: number } | null): Promise<RemoteBatch[]> {
  const batches: RemoteBatch[] = []
  for await (const batch of remote.changes(since, new AbortController().signal)) batches.push(batch)
  return batches
}

function stated(batches: readonly RemoteBatch[]): Map<PathKey, Entry | null> {
  return new Map(batches.flatMap((batch) => batch.changes.map(({ path, entry }) => [path, entry] as const)))
}

async function replay(own: OwnDrive, from: number) {
  const items = []
  for await (const batch of own.replay(from)) items.push(...batch)
  return items
}
