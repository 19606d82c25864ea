/** R35 with real daemons: a program that holds a file open goes on writing after a sync has replaced it. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'brittle'
import { createPair, waitConnected, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }
const reads = (device: Device, path: string, text: string): Promise<boolean> => device.read(path).then((found) => found === text, () => false)

async function copies(device: Device): Promise<string[]> {
  return (await readdir(device.path())).filter((name) => name.includes('.sync-conflict-'))
}

for (const killed of [false, true]) {
  test(`R35: a write one second after the exchange is kept as a conflict copy${killed ? ', over a kill -9' : ''}`, TIMEOUT, async (t) => {
    const [a, b] = await createPair(t)
    await a.write('doc.txt', 'before the sync')
    await waitFor('b has it', () => reads(b, 'doc.txt', 'before the sync'))
    const fd = openSync(b.path('doc.txt'), 'r+')
    t.teardown(() => closeSync(fd))
    await a.write('doc.txt', 'after the sync')
    await waitFor('b has the new one', () => reads(b, 'doc.txt', 'after the sync'))
    await sleep(1000)
    if (killed) await b.kill9()
    writeSync(fd, 'WRITTEN LATE !!', 0)
    if (killed) {
      await b.start()
      await waitConnected(a, b)
    }
    await waitFor('a copy on a', async () => (await copies(a)).length === 1, 30_000)
    await waitEqual([a.path(), b.path()], 30_000)
    const [copy] = await copies(a)
    t.is(await a.read(copy ?? ''), 'WRITTEN LATE !!')
    t.is(await b.read('doc.txt'), 'after the sync')
    writeSync(fd, 'EVEN LATER     ', 0)
    await waitFor('what is written then is an ordinary change', () => reads(a, copy ?? '', 'EVEN LATER     '))
    t.alike(await copies(a), [copy])
  })
}
