/** The group: records made, taken in, handed over, and what they mean. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import type { Assert } from 'brittle'
import { messageOf } from '../../base/errors.ts'
import { Group } from '../../daemon/net/group.ts'
import type { DeviceId } from '../../daemon/sync/ids.ts'
import { announce, codeOf, driveNamed, must, testLog } from './helpers.ts'

async function open(t: Assert, name: string, stateDir?: string): Promise<Group> {
  return Group.open({ stateDir: stateDir ?? (await t.tmp()), deviceName: name, log: testLog })
}

async function letIn(member: Group, newcomer: Group): Promise<Awaited<ReturnType<Group['adopt']>>> {
  await member.addDevice(newcomer.self.id, newcomer.self.name)
  return newcomer.adopt(member.handover())
}

async function share(...groups: readonly Group[]): Promise<void> {
  for (let round = 0; round < 3; round++) {
    for (const from of groups) for (const to of groups) await to.merge(from.records())
  }
}

test('group: the first start makes a key and a group of one, and the next ones keep it', async (t) => {
  const stateDir = await t.tmp()
  const first = await open(t, 'laptop', stateDir)
  const folder = await first.createFolder('docs')
  await announce(first, folder, 1, driveNamed('a'))
  const again = await open(t, 'other name', stateDir)
  t.alike(again.self, first.self)
  t.is(again.self.name, 'laptop')
  t.alike(again.storeSeed, first.storeSeed)
  t.alike(again.topic(), first.topic())
  t.alike(again.folders(), first.folders())
  t.is(again.nextGeneration(folder), 2)
  for (const name of readdirSync(join(stateDir, 'keys'))) t.is(statSync(join(stateDir, 'keys', name)).mode & 0o777, 0o600, name)
  t.is(statSync(join(stateDir, 'keys')).mode & 0o777, 0o700)
})

test('a group file that a newer version wrote says so: nobody is sent to move a good key away', async (t) => {
  const stateDir = await t.tmp()
  await open(t, 'a', stateDir)
  const file = join(stateDir, 'keys', 'group.json')
  const written = readFileSync(file, 'utf8')
  writeFileSync(file, written.replace('"format":1', '"format":2'))
  const said = await open(t, 'a', stateDir).then(() => '', messageOf)
  t.ok(said.endsWith('group.json was written by a newer p2psync; install that version, or a later one'), said)
  // Records of a kind that this version does not know.
  const stored = JSON.parse(written) as { records: unknown[] }
  writeFileSync(file, JSON.stringify({ ...stored, records: [...stored.records, ['{"v":2}', 'AA']] }))
  t.ok((await open(t, 'a', stateDir).then(() => '', messageOf)).includes('install the newest version first'), 'what may be newer is tried with that')
})

test('R42, R44: damaged or missing secrets stop the start; nothing is made anew in their place', async (t) => {
  const stateDir = await t.tmp()
  const group = await open(t, 'a', stateDir)
  const file = join(stateDir, 'keys', 'group.json')
  const good = readFileSync(file)
  for (const bad of ['', '{}', 'null', good.toString().replace('founded', 'fOunded'), good.subarray(0, good.length / 2)]) {
    writeFileSync(file, bad)
    t.is(await codeOf(open(t, 'a', stateDir)), 'STORE_DAMAGED')
  }
  writeFileSync(file, good)
  writeFileSync(join(stateDir, 'keys', `device-${group.self.id.slice(0, 16)}.seed`), Buffer.alloc(32))
  t.is(await codeOf(open(t, 'a', stateDir)), 'STORE_DAMAGED')
})

test('R24: joining from a group of one binds a folder of an equal name and carries the others', async (t) => {
  const [a, b] = [await open(t, 'a'), await open(t, 'b')]
  const there = await a.createFolder('Docs')
  await announce(a, there, 1, driveNamed('a'))
  const same = await b.createFolder('Docs')
  const own = await b.createFolder('Music')
  await announce(b, same, 1, driveNamed('b'))
  await announce(b, own, 1, driveNamed('c'))
  const key = b.folder(own)?.key
  const result = await letIn(a, b)
  t.alike(result, { bound: [{ from: same, to: there }], carried: [own] })
  await share(a, b)
  t.alike(a.folders(), b.folders())
  t.alike(b.folders().map((folder) => folder.name).sort(), ['Docs', 'Music'])
  t.alike(a.folder(own)?.key, key, 'with its key')
  t.alike(a.folder(own)?.drives.map((drive) => drive.driveKey), [driveNamed('c')], 'and its drive')
  t.alike(b.folder(there)?.devices, [a.self.id], 'the new drive of the bound one is still to come')
  const reopened = await open(t, 'b', b.stateDir)
  t.alike(reopened.bindings(), result.bound, 'the order to bind outlives a crash')
  await reopened.bindingDone(same)
  t.alike((await open(t, 'b', b.stateDir)).bindings(), [])
})

test('R24: names that are not unique bind nothing', async (t) => {
  const [a, b] = [await open(t, 'a'), await open(t, 'b')]
  for (const fill of ['1', '2']) {
    await announce(a, await a.createFolder('Docs'), 1, driveNamed(fill))
  }
  const own = await b.createFolder('Docs')
  await announce(b, own, 1, driveNamed('3'))
  t.alike(await letIn(a, b), { bound: [], carried: [own] })
})

test('R24: a larger group is not left by accident', async (t) => {
  const [a, b, c] = [await open(t, 'a'), await open(t, 'b'), await open(t, 'c')]
  await letIn(a, b)
  await c.addDevice(b.self.id, 'b')
  t.is(await codeOf(b.adopt(c.handover())), 'GROUP_NOT_ALONE')
  t.is(b.groupId, a.groupId)
})

test('group: who was not added gets nowhere with a handover', async (t) => {
  const [a, b] = [await open(t, 'a'), await open(t, 'b')]
  const before = b.groupId
  t.is(await codeOf(b.adopt(a.handover())), 'INVITE_INVALID')
  t.is(await codeOf(b.adopt({ group: 'nonsense', records: [] })), 'INVITE_INVALID')
  t.is(b.groupId, before)
})

test('R22, R43: removing a device changes every secret it knew, the topic too; those who were away follow', async (t) => {
  const [a, b, c] = [await open(t, 'a'), await open(t, 'b'), await open(t, 'c')]
  await letIn(a, b)
  await letIn(a, c)
  await share(a, b, c)
  const folder = await a.createFolder('docs')
  await share(a, b, c)
  const old = must(a.folder(folder))
  const topic = a.topic()
  t.alike(c.folder(folder)?.key, old.key)
  await a.removeDevice(c.self.id)
  await share(a, b)
  t.alike(a.topic(), b.topic())
  t.unlike(a.topic(), topic)
  t.unlike(b.folder(folder)?.key, old.key)
  t.alike(b.folder(folder)?.keys.get(old.keyId), old.key, 'the old one stays for reading')
  await c.merge(a.records())
  t.ok(c.removedSelf)
  t.alike(c.folder(folder)?.key, old.key, 'the removed one cannot open the new one')
  t.is(await codeOf(c.createFolder('x')), 'REMOVED_FROM_GROUP')
})

test('R22: a device added while another rotates the keys gets the new ones from whoever notices', async (t) => {
  const [a, b, c, d] = [await open(t, 'a'), await open(t, 'b'), await open(t, 'c'), await open(t, 'd')]
  const folder = await a.createFolder('docs')
  await letIn(a, b)
  await letIn(a, c)
  await share(a, b, c)
  await b.addDevice(d.self.id, 'd')
  await a.removeDevice(c.self.id)
  await d.adopt(b.handover())
  await share(a, b, d)
  t.alike(d.folder(folder)?.key, a.folder(folder)?.key)
  t.alike(d.topic(), a.topic())
  t.alike(a.digest(), d.digest())
  const settled = a.records().length
  await share(a, b, d)
  t.is(a.records().length, settled, 'and then it is quiet')
})

test('R20: a removed device starts over with a new key and brings its folder back to the same one', async (t) => {
  const [a, b] = [await open(t, 'a'), await open(t, 'b')]
  await letIn(a, b)
  const folder = await a.createFolder('docs')
  await share(a, b)
  await announce(a, folder, 1, driveNamed('a'))
  await announce(b, folder, 1, driveNamed('b'))
  await share(a, b)
  await a.removeDevice(b.self.id)
  await b.merge(a.records())
  const dead = b.self.id
  t.is(await codeOf(a.addDevice(dead, 'b')), 'REMOVED_FROM_GROUP')
  await b.startOver()
  t.not(b.self.id, dead)
  t.is(b.members().length, 1)
  t.alike((await open(t, 'b', b.stateDir)).self, b.self)
  t.alike((await letIn(a, b)).bound, [{ from: folder, to: folder }])
})

test('group: names, addresses and leaving a folder', async (t) => {
  const [a, b] = [await open(t, 'a'), await open(t, 'b')]
  await letIn(a, b)
  await b.rename(a.self.id, 'desk')
  await b.setAddress(a.self.id, 'nas.example', 4000)
  await share(a, b)
  t.alike(a.members().find((member) => member.id === a.self.id), { id: a.self.id, name: 'desk', addresses: ['nas.example:4000'] })
  await a.setAddress(a.self.id, null)
  t.alike(a.members().find((member) => member.id === a.self.id)?.addresses, [])
  const folder = await a.createFolder('docs')
  await announce(a, folder, 1, driveNamed('a'))
  await a.leaveFolder(folder)
  t.alike(a.folder(folder)?.devices, [])
  t.is(a.nextGeneration(folder), 2)
  t.is(await codeOf(a.rename(a.self.id, '\u0007')), 'USAGE')
  t.is(await codeOf(a.setAddress(a.self.id, 'a b', 1)), 'USAGE')
  t.is(await codeOf(a.createFolder('')), 'USAGE')
  t.is(await codeOf(a.removeDevice('0'.repeat(64) as DeviceId)), 'DEVICE_UNKNOWN')
  t.is(await codeOf(a.removeDevice(a.self.id)), 'USAGE')
})

test('group: junk merges to nothing, a listener that throws stops nobody', async (t) => {
  const a = await open(t, 'a')
  let told = 0
  a.onChange(() => {
    throw new Error('no')
  })
  a.onChange(() => told++)
  for (const junk of [null, 1, {}, [], [null, 1, {}], [{ body: Buffer.alloc(3), signature: Buffer.alloc(64) }]]) t.absent(await a.merge(junk))
  await a.createFolder('docs')
  t.is(told, 1)
})

test('R30: own records that this device never wrote are reported', async (t) => {
  const [a, b] = [await open(t, 'a'), await open(t, 'b')]
  await letIn(a, b)
  const file = join(a.stateDir, 'keys', 'group.json')
  const backup = readFileSync(file)
  await a.createFolder('made after the backup')
  await share(a, b)
  writeFileSync(file, backup)
  const restored = await open(t, 'a', a.stateDir)
  const seen: boolean[] = []
  restored.onChange((change) => seen.push(change.stranger))
  await restored.merge(b.records())
  t.alike(seen, [true])
})
