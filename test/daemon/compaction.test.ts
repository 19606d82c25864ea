/** When a drive gives way to a new one, and what becomes of those that did. */
import test from 'brittle'
import { join } from 'node:path'
import { Compaction, hasDeadBlobs, isOutgrown, type Outgrowing } from '../../daemon/compaction.ts'
import { Retired } from '../../daemon/retired.ts'
import type { FolderActivity } from '../../daemon/ports.ts'
import type { DriveKey, FolderId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { FakeLog } from '../fakes/log.ts'
import { Life } from '../fakes/life.ts'

const GIB = 1024 ** 3

test('a drive is outgrown when what it says no more outweighs the rest and what the store may cost', (t) => {
  for (const [length, rows, bytes, outgrown] of [
    [0, 0, 0, false],
    [20_000, 10_000, 0, false],
    [20_001, 10_000, 0, true],
    [2_000, 1, 0, false],
    [2_200, 1, 0, true],
    [110_000, 10_000, 10 * GIB, false],
    [120_000, 10_000, 10 * GIB, true],
    [160_000, 10_000, 17 * GIB, false],
    [9_000_000, 10_000, 17 * GIB, true]
  ] as const) {
    t.is(isOutgrown(length, rows, { bytes }), outgrown, `${length} blocks, ${rows} rows, ${bytes} bytes`)
  }
})

test('content is read again for a new blobs core only where what the old one holds in vain costs more than it may', (t) => {
  for (const [length, blocks, rows, bytes, dead] of [
    [10_000, 10_000, 10_000, 0, false],
    [41_000, 10_000, 10_000, 0, false],
    [41_500, 10_000, 10_000, 0, true],
    [6_500, 10, 10, 0, false],
    [6_700, 10, 10, 0, true],
    [43_000, 10_000, 10_000, GIB, false],
    [44_000, 10_000, 10_000, GIB, true]
  ] as const) {
    t.is(hasDeadBlobs(length, blocks, rows, { bytes }), dead, `${length} blocks of which ${blocks} are in use, ${rows} rows, ${bytes} bytes`)
  }
})

test('a retired drive is deleted once it can be, over a restart too, and once only', async (t) => {
  const file = join(await t.tmp(), 'retired.json')
  const [one, two] = ['1'.repeat(64), '2'.repeat(64)] as [DriveKey, DriveKey]
  const clock = new FakeClock()
  const asked: DriveKey[] = []
  const told: DriveKey[] = []
  let closed = false
  let compactions = 0
  const open = (): Retired =>
    new Retired({
      file,
      clock: new Life({ clock }).clock,
      log: new FakeLog(() => undefined),
      deleteDrive: async (drive) => {
        asked.push(drive)
        if (closed) told.push(drive)
        return closed
      },
      compact: async () => void compactions++
    })
  const retired = open()
  t.absent(retired.has(one))
  retired.add(one)
  t.ok(retired.has(one))
  await clock.run(30_000)
  t.ok(asked.length > 2, 'it is open still')
  await retired.close()

  closed = true
  const again = open()
  t.ok(again.has(one))
  again.add(two)
  await clock.run(60_000)
  t.alike(told, [one, two])
  t.is(compactions, 1)
  await again.close()

  const third = open()
  t.ok(third.has(one) && third.has(two), 'so that they are not opened again')
  await clock.run(60_000)
  t.alike(told, [one, two])
  await third.close()
})

const ROWS = 1_000
const OUTGROWN = 20_000
/** The stack keeps a core open for so long after its last session. */
const HELD_OPEN_MS = 8_000
/** What a new drive takes to be made, and to be read by the others. */
const MAKING_MS = 3_000
const READING_MS = 1_000

/** A device of a group, as compaction sees it. */
class Peer {
  activity: FolderActivity = 'idle'
  length = OUTGROWN
  host: Outgrowing
  /** Old drives, and when the stack lets go of them. */
  readonly closedAt = new Map<DriveKey, number>()
  readonly deleted = new Set<DriveKey>()
  readonly #group: readonly Peer[]

  constructor(group: readonly Peer[]) {
    this.#group = group
    this.host = this.#open()
  }

  get isQuiet(): boolean {
    return this.#group.every(({ activity }) => activity === 'idle')
  }

  rotated(): void {
    Object.assign(this.host, { closing: true })
    this.length = ROWS
    this.host = this.#open()
  }

  #open(): Outgrowing {
    const [length, folder] = [() => this.length, () => ({ activity: this.activity, quiet: this.isQuiet })]
    return {
      id: 'f'.repeat(64) as FolderId,
      closing: false,
      get own() {
        return { length: length(), blobsLength: ROWS }
      },
      index: {
        totals: { files: ROWS, directories: 0, bytes: 0 },
        all: async function* () {
          // SAFETY: they are counted only, with what their content is.
          yield Array.from({ length: ROWS }, () => ({ row: { entry: { kind: 'file', size: 1 } } })) as never
        }
      },
      get folder() {
        return folder()
      }
    }
  }
}

for (const [how, random] of [
  ['all at once', () => 0],
  ['as late as can be', (below: number) => below - 1]
] as const) {
  test(`within a minute of the last edit every device has a new drive and has deleted the old ones, ${how}`, async (t) => {
    const clock = new FakeClock()
    const storeDir = await t.tmp()
    const peers: Peer[] = []
    for (let i = 0; i < 4; i++) peers.push(new Peer(peers))
    const retired = peers.map(
      ({ closedAt, deleted }, i) =>
        new Retired({
          file: join(storeDir, `${i}.json`),
          clock,
          log: new FakeLog(() => undefined),
          deleteDrive: async (drive) => {
            const isClosed = clock.now() >= (closedAt.get(drive) ?? Infinity)
            if (isClosed) deleted.add(drive)
            return isClosed
          },
          compact: async () => undefined
        })
    )
    const retire = (i: number, drive: DriveKey): void => {
      peers[i]?.closedAt.set(drive, clock.now() + HELD_OPEN_MS)
      retired[i]?.add(drive)
    }
    const busy = (peer: Peer, ms: number, then: () => void): void => {
      peer.activity = 'syncing'
      noteAll()
      clock.after(ms, () => {
        peer.activity = 'idle'
        then()
        noteAll()
      })
    }
    const rotate = (i: number, peer: Peer): void => {
      const old = String(i).repeat(64) as DriveKey
      busy(peer, MAKING_MS, () => {
        peer.rotated()
        retire(i, old)
        for (const [j, other] of peers.entries()) if (j !== i) busy(other, READING_MS, () => retire(j, old))
      })
    }
    const compactions = peers.map((peer, i) => new Compaction({ clock, random, freeBytes: async () => Infinity, isQuiet: () => peer.isQuiet, compact: () => rotate(i, peer) }))
    const noteAll = (): void => compactions.forEach((compaction, i) => compaction.note((peers[i] as Peer).host))
    noteAll()
    await clock.run(60_000)
    for (const [i, { length, deleted }] of peers.entries()) {
      t.is(length, ROWS)
      t.is(deleted.size, peers.length, 'all are deleted')
      compactions[i]?.close()
      await retired[i]?.close()
    }
  })
}

test('a drive that grows gets no new one before it has rested, and who is disturbed in the last moment comes to it later', async (t) => {
  const clock = new FakeClock()
  const peer = new Peer([])
  let isQuiet = true
  let counted = 0
  let compacted = 0
  const compaction = new Compaction({
    clock,
    random: (below) => below - 1,
    freeBytes: async () => {
      // Somebody comes while the rows are counted.
      if (counted++ === 0) isQuiet = false
      return Infinity
    },
    isQuiet: () => isQuiet,
    compact: () => compacted++
  })
  for (let edits = 0; edits < 20; edits++) {
    peer.length++
    compaction.note(peer.host)
    await clock.run(9_000)
  }
  t.is(counted, 0, 'a user who goes on is not disturbed')
  await clock.run(10_000)
  t.is(counted, 1)
  t.is(compacted, 0)
  isQuiet = true
  await clock.run(20_000)
  t.is(compacted, 1)
  compaction.close()
})

test('a new drive is made beside the running folder, and anew where too many blocks of the old one are dead', async (t) => {
  for (const [blobsLength, bytes, anew] of [
    [ROWS, ROWS, false],
    [ROWS + 9_000, ROWS, true],
    [900_000, 5 * GIB, false]
  ] as const) {
    const clock = new FakeClock()
    const peer = new Peer([])
    Object.defineProperty(peer.host, 'own', { value: { length: 900_000, blobsLength } })
    Object.assign(peer.host.index, { totals: { files: ROWS, directories: 0, bytes } })
    const told: boolean[] = []
    const compaction = new Compaction({ clock, freeBytes: async () => Infinity, isQuiet: () => told.length === 0, compact: (_host, isAnew) => told.push(isAnew) })
    peer.activity = 'idle'
    compaction.note(peer.host)
    await clock.run(20_000)
    compaction.close()
    t.alike(told, [anew], `${blobsLength} blocks, ${bytes} bytes`)
  }
})
