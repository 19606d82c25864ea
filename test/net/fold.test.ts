/** R45: a group's log is bounded, whatever its members state, and what is dropped is the same everywhere. */
import fc from 'fast-check'
import test from 'brittle'
import { keyPairOf } from '../../daemon/net/crypto.ts'
import { deriveGroup } from '../../daemon/net/derive.ts'
import type { DriveRecord, GroupState } from '../../daemon/net/derive.ts'
import { foldRecords, RECORD_BOUNDS } from '../../daemon/net/fold.ts'
import type { RecordBounds } from '../../daemon/net/fold.ts'
import { groupIdOf, keyIdOf, signRecord } from '../../daemon/net/records.ts'
import type { RecordBody, VerifiedRecord } from '../../daemon/net/records.ts'
import type { DeviceId, DriveKey, FolderId, WriterId } from '../../daemon/sync/ids.ts'
import { must } from './helpers.ts'

const NONCE = Buffer.alloc(32, 9)
const FOLDER = 'f'.repeat(64) as FolderId
const KEY_ID = keyIdOf(Buffer.alloc(32))
/** Looked at where records come in, not here. */
const OWNER = { signer: '0'.repeat(64), proof: 'A'.repeat(86) }

interface Person {
  readonly id: DeviceId
  say(body: RecordBody, seq?: number): VerifiedRecord
}

const keyPairs = [1, 2, 3, 4].map((n) => keyPairOf(Buffer.alloc(32, n)))
const GROUP = groupIdOf(must(keyPairs[0]).publicKey, NONCE)
let lastSeq = 0

const people = keyPairs.map((keyPair): Person => {
  const id = keyPair.publicKey.toString('hex') as DeviceId
  return { id, say: (body, seq = ++lastSeq) => signRecord(GROUP, { ...body, author: id, seq }, keyPair.secretKey) }
})
const [ana, bob, cid, dan] = people as [Person, Person, Person, Person]
const founded = ana.say({ kind: 'founded', nonce: NONCE.toString('hex'), name: 'ana' })

function added(by: Person, who: Person): VerifiedRecord {
  return by.say({ kind: 'device-added', device: who.id, name: 'x' })
}

function removed(by: Person, who: Person, accepted: readonly VerifiedRecord[] = []): VerifiedRecord {
  return by.say({ kind: 'device-removed', device: who.id, accepted: accepted.map((item) => item.hash).sort() })
}

function named(by: Person, folder: FolderId = FOLDER, generation = 1): VerifiedRecord {
  return by.say({ kind: 'folder', folder, generation, name: 'docs' })
}

function drive(by: Person, generation: number, fill = 0): VerifiedRecord {
  // One key is of one device, as its proof says.
  const driveKey = `${by.id.slice(0, 8)}x${generation}x${fill}`
  return by.say({ kind: 'drive', folder: FOLDER, generation, driveKey: Buffer.from(driveKey.padEnd(32)).toString('hex') as DriveKey, keyId: KEY_ID, writer: '0123456789abcdef' as WriterId, starts: [], owner: OWNER })
}

function folderAt(n: number): FolderId {
  return n.toString(16).padStart(64, '0') as FolderId
}

function hashes(records: readonly VerifiedRecord[]): string[] {
  return records.map((item) => item.hash).sort()
}

function generations(records: readonly VerifiedRecord[]): number[] {
  return records.flatMap(({ record }) => (record.kind === 'drive' ? [record.generation] : [])).sort((a, b) => a - b)
}

const base = [founded, added(ana, bob), added(ana, cid), named(ana)]

test('R45: of a device and folder the two newest generations of its drives are kept, in whatever order they come', (t) => {
  const drives = Array.from({ length: 300 }, (_, i) => drive(bob, i + 1))
  let one: VerifiedRecord[] = [...base]
  for (const item of drives) one = foldRecords(GROUP, [...one, item])
  let other: VerifiedRecord[] = [...base]
  for (const item of drives.toReversed()) other = foldRecords(GROUP, [...other, item])
  t.alike(generations(one), [299, 300])
  t.alike(hashes(other), hashes(one))
  t.alike(hashes(foldRecords(GROUP, [...one, ...drives.slice(0, 100)])), hashes(one), 'a device that comes back after years adds none of its old ones')
  t.alike(generations(foldRecords(GROUP, [...one, removed(ana, bob)])), [299, 300], 'nor fewer of a removed device: its removal may be void')
})

test('R45: of one generation four drives are kept; a folder that was left keeps none', (t) => {
  const same = Array.from({ length: 50 }, (_, i) => drive(bob, 3, i))
  const kept = foldRecords(GROUP, [...base, drive(bob, 2), ...same])
  t.alike(generations(kept), [2, 3, 3, 3, 3])
  t.alike(hashes(foldRecords(GROUP, [...same.toReversed(), ...kept])), hashes(kept))
  const left = bob.say({ kind: 'folder-left', folder: FOLDER, generation: 3 })
  const gone = foldRecords(GROUP, [...kept, left])
  t.alike(generations(gone), [])
  t.alike(generations(foldRecords(GROUP, [...gone, ...same, drive(bob, 4)])), [4], 'old ones do not come back, a new one counts')
})

test('R21, R45: what a removal lists stands, though the removed device replaced it later', (t) => {
  const early = named(bob, folderAt(7))
  const late = named(bob, folderAt(7), 2)
  const kept = foldRecords(GROUP, [...base, early, late, removed(ana, bob, [early])])
  t.ok(deriveGroup(GROUP, kept).folders.has(folderAt(7)))
})

const one = fc.nat({ max: 3 })
const n = fc.nat({ max: 4 })
const action = fc.oneof(
  fc.record({ what: fc.constant('add' as const), by: one, who: one, n }),
  fc.record({ what: fc.constant('remove' as const), by: one, who: one, n }),
  fc.record({ what: fc.constant('rename' as const), by: one, who: one, n }),
  fc.record({ what: fc.constant('address' as const), by: one, who: one, n }),
  fc.record({ what: fc.constant('drive' as const), by: one, who: one, n }),
  fc.record({ what: fc.constant('left' as const), by: one, who: one, n }),
  fc.record({ what: fc.constant('folder' as const), by: one, who: one, n }),
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

/** `lists`: removals list what is there of the removed device. */
function build(actions: readonly Action[], lists: boolean): VerifiedRecord[] {
  const records = [...base]
  for (const { what, by, who, n: number } of actions) {
    const author = must(people[by])
    const other = must(people[who])
    if (what === 'add') records.push(added(author, other))
    if (what === 'remove') records.push(removed(author, other, lists ? records.filter((item) => item.record.author === other.id) : []))
    if (what === 'rename') records.push(author.say({ kind: 'device-renamed', device: other.id, generation: number, name: `n${records.length}` }))
    if (what === 'address') records.push(author.say({ kind: 'device-address', device: other.id, generation: number, host: 'h', port: records.length + 1 }))
    if (what === 'drive') records.push(drive(author, number, who))
    if (what === 'left') records.push(author.say({ kind: 'folder-left', folder: FOLDER, generation: number }))
    if (what === 'folder') records.push(named(author, folderAt(who), number))
  }
  return records
}

const actions = fc.array(action, { maxLength: 24 })

test('R45: folding is one thing, whatever was folded before and in whatever parts', (t) => {
  fc.assert(
    fc.property(actions, fc.infiniteStream(fc.nat({ max: 3 })), (list, dice) => {
      const parts: [VerifiedRecord[], VerifiedRecord[]] = [[], []]
      for (const item of build(list, false)) {
        const where = dice.next().value
        if (where !== 1) parts[0].push(item)
        if (where !== 2) parts[1].push(item)
      }
      const whole = hashes(foldRecords(GROUP, [...parts[0], ...parts[1]]))
      const piecewise = hashes(foldRecords(GROUP, [...foldRecords(GROUP, parts[0]).toReversed(), ...foldRecords(GROUP, parts[1])]))
      return whole.join() === piecewise.join()
    }),
    { numRuns: 300 },
  )
  t.pass()
})

test('R45: what is dropped means nothing to anyone', (t) => {
  fc.assert(
    fc.property(actions, fc.boolean(), (list, lists) => {
      const records = build(list, lists)
      return meaning(deriveGroup(GROUP, records)) === meaning(deriveGroup(GROUP, foldRecords(GROUP, records)))
    }),
    { numRuns: 300 },
  )
  t.pass()
})

/** All of it, of the drives those that count (group-folders.ts). */
function meaning(state: GroupState): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (key === 'drives') return newest(value as readonly DriveRecord[])
    return value instanceof Map || value instanceof Set ? [...value] : value
  })
}

function newest(drives: readonly DriveRecord[]): readonly DriveRecord[] {
  return drives.filter(({ device, generation }) => {
    const higher = new Set(drives.filter((other) => other.device === device && other.generation > generation).map((other) => other.generation))
    return higher.size < 2
  })
}

const TIGHT: RecordBounds = { ofAuthor: 12, foldersOfAuthor: 10, records: 30, bytes: 30 * 400 }

test('R45: devices that tell each other all they have agree soon and fall silent, also beyond the bounds', (t) => {
  fc.assert(
    fc.property(actions, fc.boolean(), fc.nat({ max: 60 }), fc.infiniteStream(fc.nat({ max: 2 })), (list, lists, flood, dice) => {
      const records = [...build(list, lists), ...Array.from({ length: flood }, (_, i) => named(bob, folderAt(100 + i)))]
      const devices: VerifiedRecord[][] = [[...base], [...base], [...base]]
      for (const item of records) {
        const where = dice.next().value
        devices[where] = foldRecords(GROUP, [...must(devices[where]), item], TIGHT)
      }
      for (let round = 0; round < 6; round++) {
        let news = false
        for (const from of devices) {
          for (const [to, known] of devices.entries()) {
            const next = foldRecords(GROUP, [...known, ...from], TIGHT)
            news ||= hashes(next).join() !== hashes(known).join()
            devices[to] = next
          }
        }
        if (!news) return devices.every((known) => hashes(known).join() === hashes(must(devices[0])).join())
      }
      return false
    }),
    { numRuns: 200 },
  )
  t.pass()
})

test('R45: who floods the log loses nobody\'s records but its own', (t) => {
  const bounds: RecordBounds = { ofAuthor: 50, foldersOfAuthor: 50, records: 60, bytes: 60 * 400 }
  const honest = [...base, removed(cid, dan), drive(ana, 4), drive(cid, 9), named(cid, folderAt(1))]
  const flood = Array.from({ length: 400 }, (_, i) => named(bob, folderAt(1000 + i)))
  const kept = new Set(hashes(foldRecords(GROUP, [...flood, ...honest], bounds)))
  t.ok(honest.every((item) => kept.has(item.hash)))
  t.ok(kept.size <= 50 + honest.length)
  const devices = Array.from({ length: 100 }, (_, i) => keyPairOf(Buffer.alloc(32, 100 + i)))
  const brought = devices.flatMap((keyPair, i) => {
    const id = keyPair.publicKey.toString('hex') as DeviceId
    return [bob.say({ kind: 'device-added', device: id, name: 'x' }), signRecord(GROUP, { kind: 'folder', folder: folderAt(i), generation: 1, name: 'x', author: id, seq: 1 }, keyPair.secretKey)]
  })
  const after = foldRecords(GROUP, [...brought, ...flood, ...honest, removed(ana, bob)], bounds)
  const hashesAfter = new Set(hashes(after))
  t.ok(honest.every((item) => hashesAfter.has(item.hash)), 'nor once it is removed, with a crowd that it brought along')
  t.ok(after.length <= bounds.records)
})

test('R45: the bounds leave room for a removal that lists all that one device may state', (t) => {
  const records = Array.from({ length: RECORD_BOUNDS.ofAuthor + 500 }, (_, i) => bob.say({ kind: 'device-renamed', device: folderAt(i) as string as DeviceId, generation: 1, name: 'x' }))
  const kept = foldRecords(GROUP, [...base, ...records])
  const removal = removed(ana, bob, kept.filter((item) => item.record.author === bob.id))
  t.is(kept.filter((item) => item.record.author === bob.id).length, RECORD_BOUNDS.ofAuthor)
  t.absent(deriveGroup(GROUP, foldRecords(GROUP, [...kept, removal])).members.has(bob.id))
  t.ok(removal.body.length < 256 * 1024)
})
