/** kill -9 of a device that deletes or replaces: what it had moved to history by then is listed after the next start, each under its path. */
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Result } from '../../rpc/schema.ts'
import { createPair, waitConnected, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const FILES = 400
const TIMEOUT = { timeout: 280_000 }
/** Below the guard's minimum. */
const paths = Array.from({ length: FILES }, (_each, i) => `d${i % 7}/${i}.txt`)

/** Names in history, notes excepted. */
async function kept(device: Device): Promise<string[]> {
  const found = await readdir(device.path('.p2psync/history'), { recursive: true, withFileTypes: true }).catch(() => [])
  return found.filter((entry) => entry.isFile() && !entry.name.endsWith('.paths')).map(({ name }) => name)
}

async function filled(t: Assert): Promise<[Device, Device]> {
  const [a, b] = await createPair(t)
  for (const path of paths) await a.write(path, `first ${path}`)
  await waitEqual([a.path(), b.path()], 60_000, () => b.read('d0/0.txt').then(() => true, () => false))
  await a.call('folders.sync', { timeoutMs: 120_000 })
  return [a, b]
}

async function judge(t: Assert, device: Device, reason: string): Promise<void> {
  const checked: Result<'folders.check'> = await device.call('folders.check', { folder: 'docs', repair: false })
  t.alike([checked.checked.history, checked.findings], [FILES, []], 'and listed')
  for (const path of paths.filter((_path, i) => i % 40 === 0)) {
    const { stdout } = await device.cli('history', device.path(path))
    t.ok(stdout.includes(reason), `${path}: ${stdout}`)
  }
}

/** Kills b once so many files are in its history, starts it again, and judges what it lists. */
async function killed(t: Assert, a: Device, b: Device, after: number, reason: string): Promise<void> {
  await waitFor('some are in history', async () => (await kept(b)).length >= after, 60_000)
  await b.kill9()
  await b.start()
  await waitConnected(a, b)
  await a.call('folders.sync', { timeoutMs: 120_000 })
  await waitEqual([a.path(), b.path()], 60_000)
  t.is((await kept(b)).length, FILES, 'each old version is in history, once')
  await judge(t, b, reason)
}

test('kill -9 while files are deleted: each deleted file is listed in history', TIMEOUT, async (t) => {
  const [a, b] = await filled(t)
  for (let d = 0; d < 7; d++) await rm(a.path(`d${d}`), { recursive: true })
  await killed(t, a, b, 60, 'deleted')
})

test('kill -9 while files are replaced: each old version is listed in history', TIMEOUT, async (t) => {
  const [a, b] = await filled(t)
  for (const path of paths) await a.write(path, `second ${path}`)
  await killed(t, a, b, 60, 'replaced')
})

for (const what of ['of before', 'lost'] as const) {
  test(`the state directory is ${what}: what went to history since is listed`, TIMEOUT, async (t) => {
    const [a, b] = await filled(t)
    const [state, backup] = [join(b.home, 'state/store'), join(b.home, '..', 'backup')]
    await b.stop()
    await cp(state, backup, { recursive: true, preserveTimestamps: true })
    await b.start()
    await waitConnected(a, b)
    for (let d = 0; d < 7; d++) await rm(a.path(`d${d}`), { recursive: true })
    await a.call('folders.sync', { timeoutMs: 120_000 })
    await waitEqual([a.path(), b.path()], 60_000)
    t.is((await kept(b)).length, FILES)
    await b.stop()
    await rm(state, { recursive: true })
    if (what === 'of before') await cp(backup, state, { recursive: true, preserveTimestamps: true })
    await b.start()
    await waitConnected(a, b)
    await a.call('folders.sync', { timeoutMs: 120_000 })
    await waitEqual([a.path(), b.path()], 60_000)
    await judge(t, b, 'deleted')
  })
}
