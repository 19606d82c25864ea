import test from 'brittle'
import { codeOf, connected, groupHas, openDevice, pair, testnet } from './helpers.ts'

test('pairing: two devices end up in one group, connected', async (t) => {
  const bootstrap = await testnet(t)
  const a = await openDevice(t, { name: 'laptop', bootstrap })
  const b = await openDevice(t, { name: 'nas', bootstrap })
  const start = Date.now()
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  t.ok(Date.now() - start < 500, 'the invite comes at once')
  const joined = await b.pairing.join(code, { timeoutMs: 10_000 })
  t.is(joined.inviter, a.group.self.id)
  await Promise.all([connected(a, b), connected(b, a)])
  t.comment(`paired and connected after ${Date.now() - start} ms, code of ${code.length} characters`)
  t.ok(Date.now() - start < 5000, 'within seconds')
  t.is(a.group.groupId, b.group.groupId)
  t.alike(a.group.members().map((m) => m.name).sort(), ['laptop', 'nas'])
  t.alike(b.group.members(), a.group.members())
  t.alike(a.group.topic(), b.group.topic())
})

test('pairing: a code works once', async (t) => {
  const bootstrap = await testnet(t)
  const a = await openDevice(t, { name: 'a', bootstrap })
  const b = await openDevice(t, { name: 'b', bootstrap })
  const c = await openDevice(t, { name: 'c', bootstrap })
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  await b.pairing.join(code, { timeoutMs: 10_000 })
  t.is(await codeOf(c.pairing.join(code, { timeoutMs: 10_000 })), 'INVITE_USED')
  t.is(c.group.members().length, 1)
  t.is(a.group.members().length, 2)
})

test('pairing: without a DHT, over the addresses in the code', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  const start = Date.now()
  await pair(a, b)
  t.comment(`${Date.now() - start} ms`)
  t.is(a.group.members().length, 2)
})

test('pairing: three devices see each other and share records', async (t) => {
  const bootstrap = await testnet(t)
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => openDevice(t, { name, bootstrap })))
  await pair(a!, b!)
  await pair(b!, c!)
  await Promise.all([connected(a!, c!), connected(c!, a!)])
  const folder = await a!.group.createFolder('docs')
  await groupHas(c!, () => c!.group.folder(folder) !== null)
  t.is(c!.group.folder(folder)?.name, 'docs')
  t.alike(c!.group.folder(folder)?.key, a!.group.folder(folder)?.key)
  await groupHas(b!, () => b!.group.digest().equals(a!.group.digest()) && b!.group.folder(folder) !== null)
})
