/** Pairing: codes, expiry, single use, joining and starting over. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { decodeInvite, encodeInvite } from '../../daemon/net/invite-code.ts'
import { codeOf, connected, groupHas, openDevice, pair, PATIENCE_MS, realClock, testnet } from './helpers.ts'

/** Seconds on a quiet machine, many times that on a busy one; less than a time-out that somebody waits for by mistake. */
const SLOW_MS = 30_000

test('pairing: two devices end up in one group, connected', async (t) => {
  const bootstrap = await testnet(t)
  const a = await openDevice(t, { name: 'laptop', bootstrap })
  const b = await openDevice(t, { name: 'nas', bootstrap })
  const start = Date.now()
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  const joined = await b.pairing.join(code, { timeoutMs: PATIENCE_MS })
  t.is(joined.inviter, a.group.self.id)
  await Promise.all([connected(a, b), connected(b, a)])
  t.ok(Date.now() - start < SLOW_MS)
  t.comment(`paired and connected after ${Date.now() - start} ms, code of ${code.length} characters`)
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
  await b.pairing.join(code, { timeoutMs: PATIENCE_MS })
  t.is(await codeOf(c.pairing.join(code, { timeoutMs: PATIENCE_MS })), 'INVITE_USED')
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
  const a = await openDevice(t, { name: 'a', bootstrap })
  const b = await openDevice(t, { name: 'b', bootstrap })
  const c = await openDevice(t, { name: 'c', bootstrap })
  await pair(a, b)
  await pair(b, c)
  await Promise.all([connected(a, c), connected(c, a)])
  const folder = await a.group.createFolder('docs')
  await groupHas(c, () => c.group.folder(folder) !== null)
  t.is(c.group.folder(folder)?.name, 'docs')
  t.alike(c.group.folder(folder)?.key, a.group.folder(folder)?.key)
  await groupHas(b, () => b.group.digest().equals(a.group.digest()) && b.group.folder(folder) !== null)
})

test('pairing: bad codes are told apart, and nothing changes', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  const before = b.group.groupId
  const join = (code: string, timeoutMs = PATIENCE_MS): Promise<string> => codeOf(b.pairing.join(code, { timeoutMs }))
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  for (const bad of ['', 'hello', code.slice(1), code.slice(0, -1), `${code}y`, code.replace(/.$/, (last) => (last === 'y' ? 'b' : 'y')), 'ö'.repeat(60), 'y'.repeat(100_000)]) t.is(await join(bad), 'INVITE_INVALID')
  t.is(await codeOf(a.pairing.join(code, { timeoutMs: PATIENCE_MS })), 'INVITE_INVALID', 'made here')
  t.is(b.group.groupId, before)
  await a.close()
  t.is(await join(code, 700), 'GROUP_UNREACHABLE')
  const stop = new AbortController()
  const aborted = codeOf(b.pairing.join(code, { timeoutMs: PATIENCE_MS, signal: stop.signal }))
  stop.abort(Object.assign(new Error(), { code: 'STOPPED' }))
  t.is(await aborted, 'STOPPED')
  t.is(b.group.groupId, before)
})

test('pairing: through the DHT alone, without an address', async (t) => {
  const bootstrap = await testnet(t)
  const a = await openDevice(t, { name: 'a', bootstrap })
  const b = await openDevice(t, { name: 'b', bootstrap })
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  const start = Date.now()
  await b.pairing.join(encodeInvite({ ...decodeInvite(code), addresses: [] }), { timeoutMs: PATIENCE_MS })
  await Promise.all([connected(a, b), connected(b, a)])
  t.comment(`${Date.now() - start} ms`)
  t.is(b.group.groupId, a.group.groupId)
})

test('pairing: an address that nobody answers at costs little', async (t) => {
  const bootstrap = await testnet(t)
  const a = await openDevice(t, { name: 'a', bootstrap })
  const b = await openDevice(t, { name: 'b', bootstrap })
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  const start = Date.now()
  await b.pairing.join(encodeInvite({ ...decodeInvite(code), addresses: [{ host: '127.0.0.1', port: 9 }] }), { timeoutMs: PATIENCE_MS })
  t.comment(`${Date.now() - start} ms`)
  t.ok(Date.now() - start < SLOW_MS)
  t.is(b.group.groupId, a.group.groupId)
})

test('pairing: a code as a person copies it', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  await b.pairing.join(`  ${code.slice(0, 20).toUpperCase()}\n${code.slice(20)} \n`, { timeoutMs: PATIENCE_MS })
  t.is(b.group.groupId, a.group.groupId)
})

test('pairing: a code runs out, by the clock of either side', async (t) => {
  let ahead = 0
  const clock = { ...realClock, now: () => Date.now() + ahead }
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', clock })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  const asked = Date.now()
  const { code, expiresAt } = await a.pairing.createInvite({ expiresMs: 600_000 })
  t.ok(expiresAt >= asked + 600_000 && expiresAt < asked + 660_000)
  ahead = 700_000
  t.is(await codeOf(b.pairing.join(code, { timeoutMs: PATIENCE_MS })), 'INVITE_EXPIRED', 'the inviter says so')
  const late = await openDevice(t, { name: 'c', bootstrap: 'none', clock })
  t.is(await codeOf(late.pairing.join(code, { timeoutMs: PATIENCE_MS })), 'INVITE_EXPIRED')
  t.is(a.group.members().length, 1)
  t.is(await codeOf(a.pairing.createInvite({ expiresMs: 0 })), 'USAGE')
})

test('pairing: an invite outlives a restart of the inviter, used or not', async (t) => {
  const first = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const { code } = await first.pairing.createInvite({ expiresMs: 60_000 })
  await first.close()
  const a = await openDevice(t, { name: 'a', bootstrap: 'none', stateDir: first.stateDir })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await b.pairing.join(code, { timeoutMs: PATIENCE_MS })
  t.is(a.group.members().length, 2)
  await a.close()
  await openDevice(t, { name: 'a', bootstrap: 'none', stateDir: first.stateDir })
  const c = await openDevice(t, { name: 'c', bootstrap: 'none' })
  t.is(await codeOf(c.pairing.join(code, { timeoutMs: PATIENCE_MS })), 'INVITE_USED')
})

test('pairing: the device that used a code may use it again if its answer was lost', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  const { code } = await a.pairing.createInvite({ expiresMs: 60_000 })
  const adopt = b.group.adopt.bind(b.group)
  b.group.adopt = async () => Promise.reject(Object.assign(new Error('power cut'), { code: 'LOST' }))
  t.is(await codeOf(b.pairing.join(code, { timeoutMs: PATIENCE_MS })), 'LOST')
  t.is(b.group.members().length, 1)
  b.group.adopt = adopt
  await b.pairing.join(code, { timeoutMs: PATIENCE_MS })
  t.is(b.group.groupId, a.group.groupId)
  await Promise.all([connected(a, b), connected(b, a)])
  await a.group.removeDevice(b.group.self.id)
  await groupHas(b, () => b.group.removedSelf)
  await b.group.startOver()
  t.is(b.group.members().length, 1)
})

test('R24: a device in a larger group does not join another', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  const c = await openDevice(t, { name: 'c', bootstrap: 'none' })
  await pair(a, b)
  const { code } = await c.pairing.createInvite({ expiresMs: 60_000 })
  t.is(await codeOf(b.pairing.join(code, { timeoutMs: PATIENCE_MS })), 'GROUP_NOT_ALONE')
  t.is(c.group.members().length, 1, 'and the code is not spent')
})

test('network: a device that restarts is connected again within seconds', async (t) => {
  for (const bootstrap of ['none', await testnet(t)] as const) {
    const a = await openDevice(t, { name: 'a', bootstrap })
    const b = await openDevice(t, { name: 'b', bootstrap })
    await pair(a, b)
    const port = b.network.listenPort
    const link = await connected(a, b)
    const gone = new Promise<void>((resolve) => link.onClose(resolve))
    await b.close()
    await gone
    const start = Date.now()
    const again = await openDevice(t, { name: 'b', bootstrap, stateDir: b.stateDir })
    t.is(again.network.listenPort, port, 'the port is kept')
    await Promise.all([connected(again, a), connected(a, again)])
    t.ok(Date.now() - start < SLOW_MS)
    t.comment(`again after ${Date.now() - start} ms (${bootstrap === 'none' ? 'no DHT' : 'DHT'})`)
    await again.close()
    await a.close()
  }
})

test('network: a static address is enough without a DHT', async (t) => {
  const a = await openDevice(t, { name: 'a', bootstrap: 'none' })
  const b = await openDevice(t, { name: 'b', bootstrap: 'none' })
  await pair(a, b)
  await Promise.all([a.close(), b.close()])
  for (const device of [a, b]) rmSync(join(device.stateDir, 'network.json'))
  const a2 = await openDevice(t, { name: 'a', bootstrap: 'none', stateDir: a.stateDir })
  const b2 = await openDevice(t, { name: 'b', bootstrap: 'none', stateDir: b.stateDir })
  b2.network.kick()
  t.is(b2.network.links().length, 0)
  await b2.group.setAddress(a.group.self.id, '127.0.0.1', a2.network.listenPort)
  await Promise.all([connected(b2, a2), connected(a2, b2)])
  t.is(b2.network.link(a.group.self.id)?.address, `127.0.0.1:${a2.network.listenPort}`)
})
