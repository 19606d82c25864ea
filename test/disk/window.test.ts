/**
 * No instant at which a replaced path is missing or half there, as another program sees it: one that opens the path in a tight loop
 * (poller.ts, a thread of its own) while it is replaced a thousand times. Where a file system can exchange, never; where it cannot, the
 * name is free between two system calls, and what is there is whole.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import * as fs from 'node:fs'
import test, { type Assert } from 'brittle'
import type { Capabilities } from '../../daemon/disk/atomic.ts'
import type { SeenStat } from '../../daemon/ports.ts'
import { applyOne, fileOp, openFolder, stage, statOf, symlinkOp } from './tree.ts'

const REPLACEMENTS = 1000
const BYTES = 20_000

interface Seen {
  readonly looks: number
  readonly missing: number
  readonly mixed: number
}

async function watched(t: Assert, file: string, run: () => Promise<void>): Promise<Seen> {
  const worker = new Worker(join(dirname(fileURLToPath(import.meta.url)), 'poller.js'), { workerData: { file, bytes: BYTES } })
  t.teardown(async () => await worker.terminate())
  await new Promise((resolve) => worker.once('message', resolve))
  await run()
  const seen = new Promise<Seen>((resolve) => worker.once('message', resolve))
  worker.postMessage('enough', [])
  return await seen
}

/** A content that is one character throughout, so that a mixture or a part shows. */
function text(i: number): string {
  return String.fromCharCode(97 + (i % 26)).repeat(BYTES - 4) + String(1000 + i)
}

async function replaceOften(t: Assert, capabilities: Capabilities, times: number): Promise<Seen> {
  const folder = await openFolder(t, { capabilities })
  const file = join(folder.root, 'f')
  fs.writeFileSync(file, text(0))
  return await watched(t, file, async () => {
    for (let i = 1; i <= times; i++) {
      const expect: SeenStat = statOf(folder.root, 'f')
      await stage(folder.disk, text(i))
      const result = await applyOne(folder.disk, fileOp('f', text(i), { expect }))
      if (result.kind !== 'done') t.fail(`replacement ${i}: ${JSON.stringify(result)}`)
    }
  })
}

test('a path that is replaced a thousand times is never missing and never a mixture', { timeout: 100_000 }, async (t) => {
  const seen = await replaceOften(t, { noReplace: false, links: true, exchange: true }, REPLACEMENTS)
  t.ok(seen.looks > REPLACEMENTS, `${seen.looks} looks`)
  t.is(seen.missing, 0, 'never missing')
  t.is(seen.mixed, 0, 'never a mixture')
})

test('without exchange what is there is whole', { timeout: 60_000 }, async (t) => {
  const seen = await replaceOften(t, { noReplace: false, links: true, exchange: false }, 100)
  t.ok(seen.looks > 100, `${seen.looks} looks`)
  t.is(seen.mixed, 0, 'never a mixture')
})

test('a file that becomes a symlink and a file again is never missing', { timeout: 60_000 }, async (t) => {
  const folder = await openFolder(t)
  const file = join(folder.root, 'f')
  fs.writeFileSync(join(folder.root, 'target'), text(0))
  fs.writeFileSync(file, text(0))
  const seen = await watched(t, file, async () => {
    for (let i = 1; i <= 100; i++) {
      const expect = statOf(folder.root, 'f')
      if (i % 2 === 0) await stage(folder.disk, text(i))
      const result = await applyOne(folder.disk, i % 2 === 0 ? fileOp('f', text(i), { expect }) : symlinkOp('f', 'target', { expect }))
      if (result.kind !== 'done') t.fail(`change ${i}: ${JSON.stringify(result)}`)
    }
  })
  t.is(seen.missing, 0, 'never missing')
  t.is(seen.mixed, 0, 'never a mixture')
})
