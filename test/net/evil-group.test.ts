/** Records of a member that was let in and turned evil: what it may leave behind when it is removed. */
import { randomBytes } from 'node:crypto'
import test from 'brittle'
import type { Assert } from 'brittle'
import { Group } from '../../daemon/net/group.ts'
import { keyIdOf, signRecord } from '../../daemon/net/records.ts'
import type { RecordBody } from '../../daemon/net/records.ts'
import { sealTo } from '../../daemon/net/keyring.ts'
import { RECORDS_AT_ONCE } from '../../daemon/net/limits.ts'
import type { FolderId } from '../../daemon/sync/ids.ts'
import { announce, codeOf, driveNamed, must, ownerOf, testLog, WRITER } from './helpers.ts'

async function open(t: Assert, name: string, stateDir?: string): Promise<Group> {
  return Group.open({ stateDir: stateDir ?? (await t.tmp()), deviceName: name, log: testLog })
}

interface Three {
  readonly a: Group
  readonly c: Group
  readonly evil: Group
  readonly folder: FolderId
}

async function three(t: Assert): Promise<Three> {
  const [a, c, evil] = [await open(t, 'a'), await open(t, 'c'), await open(t, 'evil')]
  for (const newcomer of [c, evil]) {
    await a.addDevice(newcomer.self.id, newcomer.self.name)
    await newcomer.adopt(a.handover())
  }
  const folder = await a.createFolder('docs')
  await announce(a, folder, 1, driveNamed('a'))
  for (const to of [c, evil, a, c, evil]) await to.merge(a.records())
  return { a, c, evil, folder }
}

function says(evil: Group, seq: number, body: RecordBody) {
  return signRecord(evil.groupId, { ...body, author: evil.self.id, seq }, evil.self.keyPair.secretKey)
}

const LAST = 2 ** 48

for (const [what, body] of [
  ['group secret', (g: Three, key: Buffer): RecordBody => ({ kind: 'group-secret', generation: LAST, keyId: keyIdOf(key), sealed: sealTo(g.a.members().map((m) => m.id), key) })],
  ['folder key', (g: Three, key: Buffer): RecordBody => ({ kind: 'folder-key', folder: g.folder, generation: LAST, keyId: keyIdOf(key), sealed: sealTo(g.a.members().map((m) => m.id), key) })],
] as const) {
  test(`a member that took the last generation of a ${what} is removed, and the others start again and agree`, async (t) => {
    const world = await three(t)
    const { a, c, evil } = world
    await a.merge([says(evil, 1000, body(world, randomBytes(32)))])
    await a.removeDevice(evil.self.id)
    await c.merge(a.records())
    await a.merge(c.records())
    t.alike(a.digest(), c.digest(), 'the others take what a said')
    t.is(await codeOf(open(t, 'a', a.stateDir)), 'none', 'a starts again')
  })
}

test('a member that took the last generation of a name: the device starts again, whatever a new name comes to', async (t) => {
  const { a, c, evil } = await three(t)
  await a.merge([says(evil, 1000, { kind: 'device-renamed', device: c.self.id, generation: LAST, name: 'pwned' })])
  await codeOf(a.rename(c.self.id, 'c2'))
  t.is(await codeOf(open(t, 'a', a.stateDir)), 'none', 'a starts again')
})

test('a member that took the last generation of an address: the device starts again, whatever a new one comes to', async (t) => {
  const { a, c, evil } = await three(t)
  await a.merge([says(evil, 1000, { kind: 'device-address', device: c.self.id, generation: LAST, host: '', port: 0 })])
  await codeOf(a.setAddress(c.self.id, '127.0.0.1', 4000))
  t.is(await codeOf(open(t, 'a', a.stateDir)), 'none', 'a starts again')
})

test('R22: a key that the removed device made, and sealed to everybody but itself, is not the current one any more', async (t) => {
  const { a, c, evil, folder } = await three(t)
  const others = [a.self.id, c.self.id]
  const [folderKey, secret] = [randomBytes(32), randomBytes(32)]
  await a.merge([
    says(evil, 1000, { kind: 'folder-key', folder, generation: 1000, keyId: keyIdOf(folderKey), sealed: sealTo(others, folderKey) }),
    says(evil, 1001, { kind: 'group-secret', generation: 1000, keyId: keyIdOf(secret), sealed: sealTo(others, secret) }),
  ])
  t.alike(must(a.folder(folder)).key, folderKey, 'it was taken in')
  const topic = a.topic()
  await a.removeDevice(evil.self.id)
  t.unlike(must(a.folder(folder)).key, folderKey, 'new drives are encrypted with a key that evil does not know')
  t.unlike(a.topic(), topic, 'and the others meet on a topic that evil does not know')
})

test('R22: a key that nobody can open, sealed by the removed device to everybody but itself, does not keep the old key in use', async (t) => {
  const { a, c, evil, folder } = await three(t)
  const junk = (): [typeof a.self.id, string][] => [a.self.id, c.self.id].sort().map((id) => [id, randomBytes(80).toString('base64url')])
  const before = must(evil.folder(folder)).key
  await a.merge([
    says(evil, 1000, { kind: 'folder-key', folder, generation: 1000, keyId: keyIdOf(randomBytes(32)), sealed: junk() }),
    says(evil, 1001, { kind: 'group-secret', generation: 1000, keyId: keyIdOf(randomBytes(32)), sealed: junk() }),
  ])
  await a.removeDevice(evil.self.id)
  t.unlike(must(a.folder(folder)).key, before, 'a key that evil does not know')
  t.ok(a.topic() !== null, 'the others have a topic')
})

for (const [what, ownerBy] of [
  ['without a proof', () => null],
  ['with the proof of the device whose it is', ({ a, folder }: Three) => ownerOf(driveNamed('a'), folder, a.self.id)],
  ['with a proof by another key pair', ({ evil, folder }: Three) => ownerOf(driveNamed('evil'), folder, evil.self.id)],
  ['with a proof by another key pair that is said to be its own', ({ a, evil, folder }: Three) => ({ ...ownerOf(driveNamed('evil'), folder, evil.self.id), signer: ownerOf(driveNamed('a'), folder, a.self.id).signer })],
] as const) {
  test(`R23: a member that says the drive of another device is its own, ${what}, changes nothing`, async (t) => {
    const world = await three(t)
    const { a, c, evil, folder } = world
    const { keyId, drives } = must(a.folder(folder))
    const claim = says(evil, 1000, { kind: 'drive', folder, generation: 7, driveKey: driveNamed('a'), keyId, writer: WRITER, starts: [], owner: ownerBy(world) })
    for (const device of [a, c]) {
      await device.merge([claim])
      t.alike(must(device.folder(folder)).drives, drives, `${device.self.name} knows whose it is`)
      t.alike(must(device.folder(folder)).devices, [a.self.id])
    }
    t.alike(must((await open(t, 'a', a.stateDir)).folder(folder)).drives, drives, 'after a start too')
    const own = driveNamed('evil')
    await a.merge([says(evil, 1001, { kind: 'drive', folder, generation: 8, driveKey: own, keyId, writer: WRITER, starts: [], owner: ownerOf(own, folder, evil.self.id) })])
    t.alike(must(a.folder(folder)).drives.map(({ device, driveKey }) => [device, driveKey]), [[evil.self.id, own], [a.self.id, driveNamed('a')]], 'one of its own is one')
  })
}

test('a member that states records without end stops nothing else: they are verified a few at a time', async (t) => {
  const { a, evil } = await three(t)
  const forged = Array.from({ length: 3000 }, (_, i) => {
    const { body } = says(evil, i, { kind: 'device-renamed', device: evil.self.id, generation: i, name: 'x' })
    return { body, signature: randomBytes(64) }
  })
  let turns = 0
  let isOver = false
  const turn = (): void => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  t.absent(await a.merge(forged))
  isOver = true
  t.ok(turns >= 3000 / RECORDS_AT_ONCE - 1, `${turns} turns of others`)
})

test('a set of records whose connection ends meanwhile is given up; a change in few records is taken in all the same', async (t) => {
  const { a, c, evil, folder } = await three(t)
  const many = Array.from({ length: 3 * RECORDS_AT_ONCE }, (_, i) => says(evil, 1000 + i, { kind: 'folder-key', folder, generation: i, keyId: keyIdOf(Buffer.alloc(32, i)), sealed: [] }))
  const ended = new AbortController()
  const merged = a.merge(many, ended.signal)
  ended.abort()
  t.absent(await merged)
  t.absent(many.some((record) => a.recordHashes().includes(record.hash)), 'none of it')
  await c.removeDevice(evil.self.id)
  t.ok(await a.merge(c.records(), AbortSignal.abort()))
  t.absent(a.isMember(evil.self.id))
})
