/** Which drive this device writes for a folder: a real group, drives that are only named. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import type { Drives } from '../../daemon/drive/drives.ts'
import { readableDrives } from '../../daemon/host.ts'
import { keyPairOf, type KeyPair } from '../../daemon/net/crypto.ts'
import { driveKeyOf } from '../../daemon/net/drive-owner.ts'
import { Group, type GroupDrive, type GroupFolder } from '../../daemon/net/group.ts'
import { signRecord } from '../../daemon/net/records.ts'
import { OwnDrives, TRUSTED, type DriveSource } from '../../daemon/own-drives.ts'
import type { OwnCheckpoint } from '../../daemon/ports.ts'
import type { BlobsKey, DriveKey, FolderId, WriterId } from '../../daemon/sync/ids.ts'
import { openDrives } from '../drive/fixtures.ts'
import { announce, driveNamed, must, testLog, WRITER } from '../net/helpers.ts'

async function groupOf(directory: string, name: string): Promise<Group> {
  return await Group.open({ stateDir: directory, deviceName: name, log: testLog })
}

/** Opens no drive; `during` is what happens while one is made. */
class NamedDrives {
  readonly opened: DriveSource[] = []
  during: () => Promise<unknown> = async () => undefined

  async openOwn(source: DriveSource): Promise<{ key: DriveKey; writer: WriterId; keyPair: KeyPair }> {
    this.opened.push(source)
    const keyPair = keyPairOf(createHash('sha256').update(source.salt).digest())
    const key = driveKeyOf(keyPair.publicKey)
    await this.during()
    return { key, keyPair, writer: source.writer ?? (key.slice(0, 16) as WriterId) }
  }
}

/** What an index says that goes on with the newest drive. */
function checkpointOf({ drives }: GroupFolder): OwnCheckpoint {
  const { driveKey, generation, writer } = must(drives[0])
  return { drive: driveKey, generation, writer, counter: 1, length: 10, epoch: 0 }
}

test('R22: a drive is announced under the key that it was made with, also if the group changes keys meanwhile; the next one is due then', async (t) => {
  const directory = await t.tmp()
  const group = await groupOf(directory, 'a')
  const other = await groupOf(await t.tmp(), 'b')
  const id = await group.createFolder('docs')
  await group.addDevice(other.self.id, 'b')
  const named = new NamedDrives()
  const own = new OwnDrives({ file: join(directory, 'keys', 'drives.json'), life: 'life', group, drives: named as unknown as Drives })
  const folder = (): GroupFolder => must(group.folder(id))
  const before = folder().keyId

  named.during = async () => await group.removeDevice(other.self.id)
  const first = await own.choose(folder(), null)
  named.during = async () => undefined
  t.not(folder().keyId, before, 'the key changed while the drive was made')
  const record = must(folder().drives.find((drive) => drive.generation === first.drive.generation))
  t.alike(folder().keys.get(record.keyId), first.drive.folderKey, 'who opens it with the key that its record names can read it')
  t.is(own.due(folder(), null), 'new-key')

  const second = await own.choose(folder(), null)
  t.alike(second.drive.folderKey, folder().key, 'nothing more is written under a key that the removed device knows')
  t.is(must(folder().drives[0]).keyId, folder().keyId)
  t.is(own.due(folder(), null), null)
})

test('R19: a device that was put back behind two new drives learns from their records what of its own to renumber', async (t) => {
  const directory = await t.tmp()
  const file = join(directory, 'keys', 'drives.json')
  const group = await groupOf(directory, 'a')
  const id = await group.createFolder('docs')
  const folder = (): GroupFolder => must(group.folder(id))
  const open = (life: string): OwnDrives => new OwnDrives({ file, life, group, drives: new NamedDrives() as unknown as Drives })
  /** What the index says: of the newest drive, with so many numbers taken. */
  const at = (counter: number): OwnCheckpoint => {
    const [newest] = folder().drives.filter(({ device }) => device === group.self.id)
    const { driveKey, generation, writer } = must(newest)
    return { drive: driveKey, generation, writer, counter, length: 10, epoch: 0 }
  }

  const { recovery } = await open('life').choose(folder(), null)
  t.alike(recovery.cuts, [])
  const { drive } = await open('life').choose(folder(), at(3))
  const [firstRecord] = folder().drives as [GroupDrive]
  const backup = readFileSync(file)
  const [before, former] = [at(5), at(3).writer]
  await open('life').choose(folder(), at(7))
  const generations = [drive.generation]
  for (const writer of [former, null]) generations.push((await open('life').rotate(folder(), at(9), { reason: 'test', recovery: TRUSTED, writer })).drive.generation)
  t.alike(generations, [1, 2, 3])

  // It goes on alone, without the records: what it knows of the group came back with it.
  writeFileSync(file, backup)
  const alone = { ...folder(), drives: [{ ...firstRecord, starts: [] }] }
  t.is((await open('life').choose(alone, before)).drive.generation, 1)
  t.is((await open('life').choose(alone, { ...before, counter: 8 })).drive.generation, 1)

  // Then the records come back; the machine stops before it can act on them.
  const restored = open('life')
  t.is(restored.due(folder(), { ...before, counter: 11 }), 'unknown-drive')
  const choice = await open('life').choose(folder(), { ...before, counter: 11 })
  t.is(choice.rotation, 'unknown-drive')
  t.alike(choice.recovery.cuts, [{ writer: former, counter: 5 }], 'what it counted since it was put back')
  t.is(choice.drive.writer, undefined, 'a new writer')
  t.alike((await open('life').choose(folder(), { ...before, counter: 11 })).recovery.cuts, choice.recovery.cuts, 'until that is done')
  const settled = open('life')
  settled.settle(at(0).drive)
  t.alike((await settled.rotate(folder(), at(4), { reason: 'test', recovery: TRUSTED, writer: at(0).writer })).recovery.cuts, [], 'and not again')
})

test('R22: a drive is not opened before its key is here', async (t) => {
  const a = await groupOf(await t.tmp(), 'a')
  const b = await groupOf(await t.tmp(), 'b')
  const id: FolderId = await a.createFolder('docs')
  await a.addDevice(b.self.id, 'b')
  await b.adopt(a.handover())
  await announce(a, id, 1, driveNamed('d'))
  const known = must(a.folder(id))
  t.alike(readableDrives({ ...known, keys: new Map() }, b.self.id), [])
  t.alike(readableDrives(known, b.self.id).map(({ record, folderKey }) => [record.driveKey, folderKey]), [[driveNamed('d'), known.key]])
  t.alike(readableDrives(known, a.self.id), [], 'nor one of our own')
})

test('a new drive goes on with the blobs of the one before only with its writer and folder key, and they are kept as long', async (t) => {
  const directory = await t.tmp()
  const file = join(directory, 'keys', 'drives.json')
  const group = await groupOf(directory, 'a')
  const other = await groupOf(await t.tmp(), 'b')
  const id = await group.createFolder('docs')
  await group.addDevice(other.self.id, 'b')
  const folder = (): GroupFolder => must(group.folder(id))
  const open = (): OwnDrives => new OwnDrives({ file, life: 'life', group, drives: new NamedDrives() as unknown as Drives })
  const checkpoint = (): OwnCheckpoint => checkpointOf(folder())
  const blobs = 'b'.repeat(64) as BlobsKey
  await open().choose(folder(), null)
  const first = checkpoint()
  const next = await open().rotate(folder(), first, { reason: 'test', recovery: TRUSTED, writer: first.writer, blobs })
  t.is(next.drive.blobs, blobs)
  t.absent(next.former?.blobs)
  const second = checkpoint()
  t.is((await open().choose(folder(), second)).drive.blobs, blobs, 'after a restart too')
  const deletion = (drive: DriveKey, ...retired: readonly DriveKey[]) => open().blobsOf(drive, (each) => retired.includes(each))
  t.alike(deletion(first.drive, first.drive), { own: null, kept: new Set([blobs]) }, 'the first goes, the second needs them')
  t.alike(deletion(second.drive, first.drive, second.drive), { own: blobs, kept: new Set<BlobsKey>() })
  t.alike(deletion(first.drive, first.drive, second.drive), { own: null, kept: new Set<BlobsKey>() }, 'nobody needs them any more')

  for (const [what, rotation, at] of [
    ['another writer', { writer: null }, second],
    ['an index of an earlier drive', { writer: second.writer }, first]
  ] as const) {
    const made = await open().rotate(folder(), at, { reason: 'test', recovery: TRUSTED, blobs, ...rotation })
    t.absent(made.drive.blobs, what)
  }
  const last = checkpoint()
  await group.removeDevice(other.self.id)
  const made = await open().rotate(folder(), last, { reason: 'test', recovery: TRUSTED, writer: last.writer, blobs })
  t.absent(made.drive.blobs, 'another folder key')
})

test('R18: a drive is prepared beside the one that is written, and the group hears of it when it takes over; who is put back to before that does not go on with it', async (t) => {
  const directory = await t.tmp()
  const file = join(directory, 'keys', 'drives.json')
  const group = await groupOf(directory, 'a')
  const id = await group.createFolder('docs')
  const folder = (): GroupFolder => must(group.folder(id))
  const open = (): OwnDrives => new OwnDrives({ file, life: 'life', group, drives: new NamedDrives() as unknown as Drives })
  const checkpoint = (): OwnCheckpoint => checkpointOf(folder())
  const blobs = 'b'.repeat(64) as BlobsKey
  await open().choose(folder(), null)
  const first = checkpoint()
  const own = open()
  t.is(await own.prepare(folder(), { ...first, drive: driveNamed('x') }, { writer: first.writer, blobs }), null, 'not where something else is due')
  const given = must(await own.prepare(folder(), first, { writer: first.writer, blobs }))
  const prepared = must(await own.prepare(folder(), first, { writer: first.writer, blobs }))
  t.alike([given.source.generation, prepared.source.generation], [2, 3], 'one that was given up has a number of its own')
  t.is(await own.prepare(folder(), first, { writer: first.writer, blobs }), null, 'no more than the list can name')
  t.alike([prepared.source.blobs, prepared.source.writer], [blobs, first.writer])
  t.is(folder().drives.length, 1, 'the group has not heard of it')
  const before = readFileSync(file)
  t.is((await open().choose(folder(), first)).drive.generation, 1, 'a crash here leaves the drive that was written')

  t.ok(prepared.mayTakeOver(folder(), first))
  t.absent(prepared.mayTakeOver(folder(), { ...first, drive: driveNamed('x') }))
  await prepared.announce(folder())
  t.is(folder().drives[0]?.driveKey, prepared.own.key)
  t.absent(prepared.mayTakeOver(folder(), first), 'not twice')
  t.is(open().due(folder(), first), null)
  const { drive, former, rotation } = await open().choose(folder(), first)
  t.alike([drive.generation, former?.generation, rotation], [3, 1, null], 'a crash here: it takes over at the start')
  own.settle(prepared.own.key)
  t.alike(new Set(own.formersOf(prepared.own.key)), new Set([first.drive, given.own.key]), 'with it goes what was given up')
  t.alike(own.blobsOf(given.own.key, () => false), { own: blobs, kept: new Set([blobs]) }, 'but not their blobs')

  writeFileSync(file, before)
  t.is(open().due(folder(), first), 'unknown-drive', 'put back to before it was announced: it may be longer elsewhere')
  t.is((await open().choose(folder(), first)).drive.writer, undefined, 'so a new writer goes on')
})

test('a drive that was prepared does not take over once the group has another key or another drive of ours', async (t) => {
  const directory = await t.tmp()
  const group = await groupOf(directory, 'a')
  const other = await groupOf(await t.tmp(), 'b')
  const id = await group.createFolder('docs')
  await group.addDevice(other.self.id, 'b')
  const folder = (): GroupFolder => must(group.folder(id))
  const own = new OwnDrives({ file: join(directory, 'keys', 'drives.json'), life: 'life', group, drives: new NamedDrives() as unknown as Drives })
  await own.choose(folder(), null)
  const first = checkpointOf(folder())
  const prepared = must(await own.prepare(folder(), first, { writer: first.writer, blobs: 'b'.repeat(64) as BlobsKey }))
  const then = folder()
  await group.removeDevice(other.self.id)
  t.absent(prepared.mayTakeOver(folder(), first), 'R22: nothing more is written under a key that the removed device knows')
  t.ok(prepared.mayTakeOver(then, first))
  await announce(group, id, 9, driveNamed('elsewhere'))
  t.absent(prepared.mayTakeOver({ ...folder(), keyId: then.keyId }, first))
})

test('R23: a drive that was announced before there were proofs counts no more: the device starts, and announces a new one', async (t) => {
  const directory = await t.tmp()
  const file = join(directory, 'keys', 'drives.json')
  const group = await groupOf(directory, 'a')
  const id = await group.createFolder('docs')
  const { keyId } = must(group.folder(id))
  const { id: author, keyPair } = group.self
  const driveKey = driveNamed('old')
  await group.merge([signRecord(group.groupId, { kind: 'drive', folder: id, generation: 4, driveKey, keyId, writer: WRITER, starts: [], owner: null, author, seq: 1000 }, keyPair.secretKey)])
  const again = await groupOf(directory, 'a')
  const own = new OwnDrives({ file, life: 'life', group: again, drives: new NamedDrives() as unknown as Drives })
  const choice = await own.choose(must(again.folder(id)), { drive: driveKey, generation: 4, writer: WRITER, counter: 9, length: 10, epoch: 0 })
  t.is(choice.rotation, 'first')
  t.alike(choice.recovery, { files: 'doubted', cuts: [] }, 'what the index says is held against the files (R12)')
  t.alike(must(again.folder(id)).drives.map(({ device, generation }) => [device, generation]), [[author, 5]], 'above all that it announced')
})

test('R23: the key pair of a drive shows that it is ours', async (t) => {
  const directory = await t.tmp()
  const group = await groupOf(directory, 'a')
  const id = await group.createFolder('docs')
  const { drives } = await openDrives(t, 1)
  const own = new OwnDrives({ file: join(directory, 'keys', 'drives.json'), life: 'life', group, drives })
  const { drive } = await own.choose(must(group.folder(id)), null)
  const { key, writer } = await drives.openOwn(drive)
  t.alike(must(group.folder(id)).drives.map((record) => [record.driveKey, record.writer]), [[key, writer]])
  t.alike(must((await groupOf(directory, 'a')).folder(id)).drives.map((record) => record.driveKey), [key], 'after a start too')
  const { drive: next } = await own.rotate(must(group.folder(id)), null, { reason: 'test', recovery: TRUSTED, writer })
  t.is(must(group.folder(id)).drives[0]?.driveKey, (await drives.openOwn(next)).key)
})
