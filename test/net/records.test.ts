/** The format of group records and their meaning as a set. */
import fc from 'fast-check'
import test from 'brittle'
import { keyPairOf, openSealed, seal } from '../../daemon/net/crypto.ts'
import type { KeyPair } from '../../daemon/net/crypto.ts'
import { deriveGroup } from '../../daemon/net/derive.ts'
import type { GroupState } from '../../daemon/net/derive.ts'
import { decodeBody, encodeBody, groupIdOf, keyIdOf, parseDeviceName, signRecord, verifyRecord } from '../../daemon/net/records.ts'
import type { GroupRecord, RecordBody, VerifiedRecord } from '../../daemon/net/records.ts'
import type { DeviceId, DriveKey, FolderId, WriterId } from '../../daemon/sync/ids.ts'
import { MAX_STARTS } from '../../daemon/sync/starts.ts'
import { driveNamed, must, ownerOf } from './helpers.ts'

const NONCE = Buffer.alloc(32, 9)
const FOLDER = 'f'.repeat(64) as FolderId

interface Person {
  readonly id: DeviceId
  say(body: RecordBody, seq?: number): VerifiedRecord
}

const keyPairs = [1, 2, 3, 4, 5].map((n) => keyPairOf(Buffer.alloc(32, n)))
const keyPairAt = (n: number): KeyPair => must(keyPairs[n])
const GROUP = groupIdOf(keyPairAt(0).publicKey, NONCE)
const GOLDEN_KEY = '962925f6c3cd36aae63aebfc6de5ce7a9d81296462126cd58b8d2a9278f56057' as DriveKey
const GOLDEN_PROOF = 'XxwwWP7O8V32Q9kV5t0YlEHhFnN2A5pHOb_82qdxhrmhqHjrHLmoacTxO-nsoRTHvl3nAD7i187Y9Iog4dnjDA'
let lastSeq = 0

function person(n: number): Person {
  const keyPair = keyPairAt(n)
  const id = keyPair.publicKey.toString('hex') as DeviceId
  return { id, say: (body, seq = ++lastSeq) => signRecord(GROUP, { ...body, author: id, seq }, keyPair.secretKey) }
}

const [ana, bob, cid, dan] = [0, 1, 2, 3].map(person) as [Person, Person, Person, Person]
const founded = ana.say({ kind: 'founded', nonce: NONCE.toString('hex'), name: 'ana' }, 1)

function added(by: Person, who: Person, name = 'x'): VerifiedRecord {
  return by.say({ kind: 'device-added', device: who.id, name })
}

function removed(by: Person, who: Person, accepted: readonly VerifiedRecord[] = []): VerifiedRecord {
  return by.say({ kind: 'device-removed', device: who.id, accepted: accepted.map((item) => item.hash).sort() })
}

function driveBody(of: Person, generation: number, name: string): Extract<RecordBody, { kind: 'drive' }> {
  const driveKey = driveNamed(name)
  return { kind: 'drive', folder: FOLDER, generation, driveKey, keyId: keyIdOf(Buffer.alloc(32)), writer: '0123456789abcdef' as WriterId, starts: [], owner: ownerOf(driveKey, FOLDER, of.id) }
}

function members(records: readonly VerifiedRecord[]): DeviceId[] {
  return [...deriveGroup(GROUP, records).members.keys()]
}

function ids(...people: readonly Person[]): DeviceId[] {
  return people.map((one) => one.id).sort()
}

test('records: the format stays', (t) => {
  const record: GroupRecord = { kind: 'drive', folder: FOLDER, generation: 3, driveKey: 'ab'.repeat(32) as DriveKey, keyId: keyIdOf(Buffer.alloc(32, 1)), writer: '0123456789abcdef' as WriterId, starts: [], owner: null, author: ana.id, seq: 7 }
  t.is(
    encodeBody(record).toString(),
    '{"v":1,"author":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","seq":7,"kind":"drive","folder":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","generation":3,"driveKey":"abababababababababababababababababababababababababababababababab","keyId":"d11ae6b73ad5b7e3b760511ff11696ad","writer":"0123456789abcdef"}',
  )
  const signed = signRecord(GROUP, record, keyPairAt(0).secretKey)
  t.is(GROUP, '99f244f03e971c068d4921302f9f393181e8c60b0563e227f963d4d095735efa' as typeof GROUP)
  t.is<string>(signed.hash, 'p8-qTPIck-fUuO6u2eYkcjmVft6RlZu3-7jhZiXdS9Q')
  t.is(signed.signature.toString('base64url'), 'YFpjp_c1ouALgFMa9mF3RvaYLyz_7D6B-eryqYcNDKx01jn0dkBIDkSyUO6gdAC1xPEidXSY_m_-i7U80WwqBQ')
})

test('records: every kind comes back as it was', (t) => {
  const all: RecordBody[] = [
    { kind: 'founded', nonce: 'aa'.repeat(32), name: 'Größe 🎈' },
    { kind: 'device-added', device: bob.id, name: 'b' },
    { kind: 'device-removed', device: bob.id, accepted: [founded.hash] },
    { kind: 'device-renamed', device: bob.id, generation: 2, name: 'c' },
    { kind: 'device-address', device: bob.id, generation: 2, host: 'nas.local', port: 4000 },
    { kind: 'device-address', device: bob.id, generation: 3, host: '', port: 0 },
    { kind: 'folder', folder: FOLDER, generation: 1, name: 'Docs / x' },
    { kind: 'folder-key', folder: FOLDER, generation: 1, keyId: keyIdOf(Buffer.alloc(32)), sealed: [[bob.id, 'abc']] },
    driveBody(ana, 1, 'x'),
    { ...driveBody(ana, 2, 'x'), starts: ['0123456789abcdef', '0123456789ab'] },
    { ...driveBody(ana, 3, 'x'), owner: null },
    { kind: 'folder-left', folder: FOLDER, generation: 4 },
    { kind: 'group-secret', generation: 1, keyId: keyIdOf(Buffer.alloc(32)), sealed: [] },
  ]
  for (const body of all) {
    const signed = ana.say(body)
    t.alike(verifyRecord(GROUP, { body: signed.body, signature: signed.signature })?.record, signed.record, body.kind)
  }
})

test('records: what is not exactly a record of the group is refused', (t) => {
  const good = added(ana, bob)
  const text = good.body.toString()
  const bad = (body: string): boolean => decodeBody(Buffer.from(body)) === null
  t.ok(bad(text.replace('"v":1', '"v":2')), 'version')
  t.ok(bad(text.replace('{"v"', '{ "v"')), 'a space')
  t.ok(bad(text.slice(0, -1) + ',"more":1}'), 'a surplus field')
  t.ok(bad(text.replace('"name":"x"', '"name":"x\\u001b[2J"')), 'a name that drives a terminal')
  t.ok(bad(text.replace('"name":"x"', '"name":""')), 'no name')
  t.ok(bad(text.replace(/"seq":\d+/, '"seq":1e3')), 'a number written otherwise')
  t.ok(bad(text.replace(/"seq":\d+/, '"seq":-1')), 'a negative number')
  t.ok(bad(text.replace('device-added', 'toString')), 'an unknown kind')
  t.ok(bad('null') && bad('[]') && bad('') && bad('{'), 'no object')
  t.is(verifyRecord(GROUP, { body: good.body, signature: Buffer.alloc(64) }), null, 'a wrong signature')
  t.is(verifyRecord(groupIdOf(keyPairAt(1).publicKey, NONCE), good), null, 'of another group')
  t.is(verifyRecord(GROUP, { body: text, signature: good.signature }), null, 'no bytes')
  for (const junk of [null, 1, 'x', [], {}, { body: null, signature: null }]) t.is(verifyRecord(GROUP, junk), null)
  t.is(parseDeviceName('a\u202eb'), null, 'turned text')
  t.is(parseDeviceName('x'.repeat(65)), null)
})

test('records: the starts of a drive', (t) => {
  const record: RecordBody = { ...driveBody(ana, 1, 'x'), starts: ['0123456789abcdef', '00112233aabb'], owner: null }
  const text = ana.say(record).body.toString()
  t.ok(text.endsWith(',"writer":"0123456789abcdef","starts":["0123456789abcdef","00112233aabb"]}'), 'the format stays')
  const listing = (starts: unknown): string => text.replace(/\["0123.*\]/, JSON.stringify(starts))
  t.alike(decodeBody(Buffer.from(listing(['00112233aabb'])))?.kind, 'drive')
  for (const starts of [[], ['x'], ['0011'], [7], 'x', {}, ['00112233AABB'], Array(MAX_STARTS + 1).fill('00112233aabb')]) t.is(decodeBody(Buffer.from(listing(starts))), null, JSON.stringify(starts).slice(0, 40))
})

test('records: the owner of a drive', (t) => {
  const record = driveBody(ana, 1, 'x')
  const owner = must(record.owner)
  const signed = ana.say(record)
  const text = signed.body.toString()
  t.ok(text.endsWith(`,"writer":"0123456789abcdef","owner":{"signer":"${owner.signer}","proof":"${owner.proof}"}}`), 'the format stays')
  t.is(record.driveKey, GOLDEN_KEY, 'what the key of a drive is made of stays')
  t.is(owner.proof, GOLDEN_PROOF, 'and what it signs')
  for (const bad of [null, {}, [], 'x', { ...owner, more: 1 }, { ...owner, signer: owner.signer.toUpperCase() }, { ...owner, proof: `${owner.proof}A` }, { ...owner, proof: owner.proof.slice(1) }]) {
    t.is(decodeBody(Buffer.from(text.replace(/"owner":.*/, `"owner":${JSON.stringify(bad)}}`))), null, JSON.stringify(bad).slice(0, 60))
  }
  const isRefused = (body: RecordBody): boolean => verifyRecord(GROUP, ana.say(body)) === null
  t.absent(isRefused(record))
  t.ok(isRefused({ ...record, owner: ownerOf(record.driveKey, FOLDER, bob.id) }), 'of another device')
  t.ok(isRefused({ ...record, owner: ownerOf(record.driveKey, 'e'.repeat(64) as FolderId, ana.id) }), 'of another folder')
  t.ok(isRefused({ ...record, driveKey: driveNamed('y') }), 'of another drive')
  t.ok(isRefused({ ...record, owner: { ...owner, signer: must(driveBody(ana, 1, 'y').owner).signer } }), 'by another key pair')
  t.absent(isRefused({ ...record, owner: null }), 'without one it is a record')
  const named = ana.say({ kind: 'folder', folder: FOLDER, generation: 1, name: 'docs' })
  t.alike(must(deriveGroup(GROUP, [founded, named, ana.say({ ...record, owner: null })]).folders.get(FOLDER)).drives, [], 'which counts for no drive')
})

test('sealed: only the device can open it, and a bad key is no crash', (t) => {
  const secret = Buffer.alloc(32, 7)
  const box = seal(secret, keyPairAt(1).publicKey)
  t.alike(openSealed(must(box), keyPairAt(1)), secret)
  t.is(openSealed(must(box), keyPairAt(2)), null)
  t.is(openSealed(Buffer.alloc(3), keyPairAt(2)), null)
  t.is(seal(secret, Buffer.alloc(32)), null)
})

test('group: only the founder of this very group counts', (t) => {
  const usurper = bob.say({ kind: 'founded', nonce: NONCE.toString('hex'), name: 'bob' })
  t.alike(members([usurper]), [])
  t.alike(members([founded, usurper, added(bob, cid)]), ids(ana), 'nobody is added by who is no member')
  t.alike(members([founded, added(ana, bob), added(bob, cid)]), ids(ana, bob, cid))
})

test('R20: a removed key is dead for ever', (t) => {
  const add = added(ana, bob)
  const remove = removed(ana, bob)
  t.alike(members([founded, add, remove, added(ana, bob), added(ana, bob)]), ids(ana))
})

test('R21: records of the removed device that the removal lists stand, others are void', (t) => {
  const add = added(ana, bob)
  const early = added(bob, cid)
  const late = added(bob, dan)
  t.alike(members([founded, add, early, late, removed(ana, bob, [early])]), ids(ana, cid))
})

test('R21: of mutual removals the senior counts', (t) => {
  const add = added(ana, bob)
  t.alike(members([founded, add, removed(ana, bob), removed(bob, ana)]), ids(ana))
  const toCid = added(ana, cid)
  const [senior, junior] = add.hash < toCid.hash ? [bob, cid] : [cid, bob]
  t.alike(members([founded, add, toCid, removed(bob, cid, []), removed(cid, bob, [])]), ids(ana, senior), 'at the same distance the smaller hash')
  t.not(senior, junior)
})

test('R21: a removed device cannot come back by removing who removed it, unless it is senior', (t) => {
  const records = [founded, added(ana, bob), added(bob, cid), removed(bob, cid)]
  t.alike(members([...records, removed(cid, bob)]), ids(ana, bob))
})

test('R22: the key is the greatest generation that no removed device was given', (t) => {
  const key = (generation: number, fill: number, to: readonly Person[]): VerifiedRecord =>
    ana.say({ kind: 'group-secret', generation, keyId: keyIdOf(Buffer.alloc(32, fill)), sealed: to.map((one) => [one.id, 'box']) })
  const base = [founded, added(ana, bob), key(1, 1, [ana, bob])]
  t.is(deriveGroup(GROUP, base).secret?.generation, 1)
  t.is(deriveGroup(GROUP, [...base, removed(ana, bob)]).secret, null, 'none is left')
  const after = deriveGroup(GROUP, [...base, removed(ana, bob), key(2, 2, [ana]), key(3, 3, [ana, bob])])
  t.is(after.secret?.generation, 2)
  const grown = deriveGroup(GROUP, [...base, key(1, 1, [cid])])
  t.alike([...(grown.secret?.receivers ?? [])].sort(), ids(ana, bob, cid), 'receivers of one key add up')
})

test('R23: a device states its own drives only, and a folder it left has none', (t) => {
  const drive = (who: Person, generation: number, fill: string): VerifiedRecord =>
    who.say(driveBody(who, generation, fill))
  const named = ana.say({ kind: 'folder', folder: FOLDER, generation: 1, name: 'docs' })
  const base = [founded, added(ana, bob), named, drive(ana, 1, 'a'), drive(bob, 1, 'b'), drive(bob, 2, 'c'), drive(bob, 2, 'd'), drive(cid, 1, 'e')]
  const folder = must(deriveGroup(GROUP, base).folders.get(FOLDER))
  t.alike(folder.devices.slice(), ids(ana, bob), 'not of who is no member')
  t.alike(folder.drives.map((row) => row.generation), [2, 2, 1, 1], 'equal generations both')
  const left = must(deriveGroup(GROUP, [...base, bob.say({ kind: 'folder-left', folder: FOLDER, generation: 2 })]).folders.get(FOLDER))
  t.alike(left.devices.slice(), [ana.id])
  const back = must(deriveGroup(GROUP, [...base, bob.say({ kind: 'folder-left', folder: FOLDER, generation: 2 }), drive(bob, 3, '1')]).folders.get(FOLDER))
  t.alike(back.drives.map((row) => row.driveKey), [driveNamed('1'), driveNamed('a')])
})

test('the same records give the same group in any order, however often', (t) => {
  const people = [ana, bob, cid, dan]
  const one = fc.nat({ max: 3 })
  const action = fc.oneof(
    fc.record({ what: fc.constant('add'), by: one, who: one }),
    fc.record({ what: fc.constant('remove'), by: one, who: one, lists: fc.boolean() }),
    fc.record({ what: fc.constant('rename'), by: one, who: one, n: fc.nat({ max: 2 }) }),
    fc.record({ what: fc.constant('key'), by: one, n: fc.nat({ max: 3 }), fill: fc.nat({ max: 2 }), to: fc.subarray([0, 1, 2, 3]) }),
    fc.record({ what: fc.constant('drive'), by: one, n: fc.nat({ max: 3 }), fill: fc.nat({ max: 3 }) }),
    fc.record({ what: fc.constant('left'), by: one, n: fc.nat({ max: 3 }) }),
    fc.record({ what: fc.constant('folder'), by: one, n: fc.nat({ max: 2 }) }),
  )
  type Action = { what: string; by: number; who?: number; lists?: boolean; n?: number; fill?: number; to?: number[] }
  const build = (actions: readonly Action[]): VerifiedRecord[] => {
    const records = [founded]
    for (const { what, by, who = 0, lists = false, n = 0, fill = 0, to = [] } of actions) {
      const author = must(people[by])
      const other = must(people[who])
      if (what === 'add') records.push(added(author, other))
      if (what === 'remove') records.push(removed(author, other, lists ? records.filter((item) => item.record.author === other.id) : []))
      if (what === 'rename') records.push(author.say({ kind: 'device-renamed', device: other.id, generation: n, name: `n${records.length}` }))
      if (what === 'key') records.push(author.say({ kind: 'folder-key', folder: FOLDER, generation: n, keyId: keyIdOf(Buffer.alloc(32, fill)), sealed: to.map((i) => [must(people[i]).id, 'box']) }))
      if (what === 'drive') records.push(author.say(driveBody(author, n, `${fill}`)))
      if (what === 'left') records.push(author.say({ kind: 'folder-left', folder: FOLDER, generation: n }))
      if (what === 'folder') records.push(author.say({ kind: 'folder', folder: FOLDER, generation: n, name: `f${records.length}` }))
    }
    return records
  }
  fc.assert(
    fc.property(fc.array(action, { maxLength: 14 }), fc.infiniteStream(fc.nat()), (actions, order) => {
      const records = build(actions)
      const shuffled = [...records, ...records.filter((_, i) => i % 3 === 0)]
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = order.next().value % (i + 1)
        ;[shuffled[i], shuffled[j]] = [must(shuffled[j]), must(shuffled[i])]
      }
      return plain(deriveGroup(GROUP, records)) === plain(deriveGroup(GROUP, shuffled))
    }),
    { numRuns: 150 },
  )
  t.pass()
})

function plain(state: GroupState): string {
  return JSON.stringify(state, (_key, value: unknown) => (value instanceof Map || value instanceof Set ? [...value] : value))
}
