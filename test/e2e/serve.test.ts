/** The disk fails while a file is served to another device: nobody gets wrong bytes, other files get through, and it heals by itself. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, truncateSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import test from 'brittle'
import { createShimmedPair, type Shimmed } from '../shim/pair.ts'
import { whyNoShim, type Call, type Errno } from '../shim/shim.ts'
import { treeOf, waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000
const BYTES = 3 << 20
const HEAL_MS = 60_000
const noShim = whyNoShim()
const skip = noShim !== null
if (skip) console.log(`# faults while serving are skipped: ${noShim}`)

const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

async function hasFile(receiver: Shimmed, path: string): Promise<boolean> {
  return (await treeOf(receiver.device.path(), false)).has(path)
}

const FAULTS: readonly (readonly [Call, Errno])[] = [['read', 'EIO'], ['read', 'ESTALE'], ['open', 'EACCES'], ['open', 'EMFILE']]

test('serving: reads or opens fail for a while', { timeout: TIMEOUT_MS, skip }, async (t) => {
  const [a, b] = await createShimmedPair(t)
  for (const [call, errno] of FAULTS) {
    const name = `${call}-${errno}.bin`
    await b.device.call('folders.pause', {})
    const data = randomBytes(BYTES)
    await a.device.write(name, data)
    await a.device.call('folders.scan', {})
    a.shim.arm({ fate: { kind: 'fail', errno }, call, area: 'tree', match: name })
    await b.device.call('folders.resume', {})
    await waitFor('it is asked for', () => a.shim.hits > 0)
    await a.device.write(`other-${call}-${errno}`, 'another file')
    await waitFor('another file gets through', () => hasFile(b, `other-${call}-${errno}`))
    t.absent(await hasFile(b, name), 'nothing stands under its name')
    t.not((await b.device.call('folders.sync', { timeoutMs: 500 })).outcome, 'in-sync', 'nobody says that all is well')
    a.shim.disarm()
    // Nothing happens that would wake anybody.
    await waitEqual([a.device.path(), b.device.path()], HEAL_MS, () => hasFile(b, name))
    t.is(hash(readFileSync(b.device.path(name))), hash(data), `${call} ${errno}`)
  }
})

test('serving: short reads give the right bytes', { timeout: TIMEOUT_MS, skip }, async (t) => {
  const [a, b] = await createShimmedPair(t)
  await b.device.call('folders.pause', {})
  const data = randomBytes(BYTES)
  await a.device.write('served.bin', data)
  await a.device.call('folders.scan', {})
  a.shim.arm({ fate: { kind: 'short' }, call: 'read', area: 'tree', match: 'served.bin' })
  await b.device.call('folders.resume', {})
  await waitEqual([a.device.path(), b.device.path()], HEAL_MS, () => hasFile(b, 'served.bin'))
  t.ok(a.shim.hits > 0)
  t.is(hash(readFileSync(b.device.path('served.bin'))), hash(data))
})

/** What a user does to a file that another device is fetching. */
const ACTS: Readonly<Record<string, (path: string) => Promise<void> | void>> = {
  'is edited': async (path) => await writeFile(path, randomBytes(BYTES)),
  'is truncated': (path) => truncateSync(path, BYTES / 3),
  'is deleted': async (path) => await rm(path)
}

for (const [what, act] of Object.entries(ACTS)) {
  test(`serving: the file ${what} while it is fetched`, { timeout: TIMEOUT_MS, skip }, async (t) => {
    const [a, b] = await createShimmedPair(t)
    await b.device.call('folders.pause', {})
    const path = a.device.path('served.bin')
    const first = randomBytes(BYTES)
    await a.device.write('served.bin', first)
    await a.device.write('there.txt', 'there')
    await a.device.call('folders.scan', {})
    // Reads fail until the user has acted, so that the fetch has surely begun and is surely not over.
    a.shim.arm({ fate: { kind: 'fail', errno: 'EIO' }, call: 'read', area: 'tree', match: 'served.bin' })
    await b.device.call('folders.resume', {})
    await waitFor('it is asked for', () => a.shim.hits > 0)
    await act(path)
    a.shim.disarm()
    await waitEqual([a.device.path(), b.device.path()], HEAL_MS, () => hasFile(b, 'there.txt'))
    await waitFor('idle', async () => (await b.device.call('status.get', {})).folders[0]?.state === 'idle')
    t.alike([...(await treeOf(b.device.path(), false)).keys()], what === 'is deleted' ? ['there.txt'] : ['served.bin', 'there.txt'], 'no conflict from a single writer')
  })
}
