/** What a file system's times are good for, and that a file is read without waiting only where nothing can go unnoticed. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test from 'brittle'
import { FineTimes, writesAreDone } from '../../daemon/disk/fine-times.ts'
import { Roots } from '../../daemon/disk/roots.ts'
import { quietFor, readStable } from '../../daemon/disk/stable-read.ts'
import { fstat, lstat } from '../../daemon/disk/sys.ts'
import { chunkId, contentList } from '../../daemon/sync/content.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { FOLDER, openFolder } from './tree.ts'

const MIB = 1024 * 1024
const NEVER = new AbortController().signal

async function rootsOf(t: Parameters<typeof openFolder>[0]): Promise<{ root: string; roots: Roots }> {
  const { root } = await openFolder(t)
  const roots = new Roots({ root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  return { root, roots }
}

/** Overwrites the whole file in one call each time it is told a byte, and says when it is done. */
function overwriter(t: Parameters<typeof openFolder>[0], path: string, size: number): Worker {
  const code = `
    const { parentPort } = require('node:worker_threads'), fs = require('node:fs')
    const fd = fs.openSync(${JSON.stringify(path)}, 'r+'), data = Buffer.alloc(${size})
    parentPort.on('message', (byte) => { data.fill(byte); fs.writeSync(fd, data, 0, data.length, 0); parentPort.postMessage(byte) })`
  const worker = new Worker(code, { eval: true })
  t.teardown(async () => await worker.terminate())
  return worker
}

test('the probe says fine only where eight changes at once show eight times, and leaves nothing behind', async (t) => {
  const { root, roots } = await rootsOf(t)
  const fine = await new FineTimes(roots, null).fine()
  const file = join(root, 'f')
  const fd = fs.openSync(file, 'w')
  let shown = 0
  for (let i = 0; i < 200; i++) {
    const before = fs.fstatSync(fd, { bigint: true }).ctimeNs
    fs.writeSync(fd, 'x', 0)
    if (fs.fstatSync(fd, { bigint: true }).ctimeNs !== before) shown++
  }
  fs.closeSync(fd)
  if (fine) t.is(shown, 200, 'no change of many went unnoticed')
  else t.pass('this file system has coarse times or is not known')
  t.alike(fs.readdirSync(join(root, '.p2psync/staging/swap')), [])
})

test('a write under way is waited for', async (t) => {
  const { root, roots } = await rootsOf(t)
  if (!(await new FineTimes(roots, null).fine())) return t.pass('not a file system that is asked')
  const size = 128 * MIB
  const path = join(root, 'large')
  fs.writeFileSync(path, Buffer.alloc(size))
  const worker = overwriter(t, path, size)
  const fd = fs.openSync(path, 'r')
  t.teardown(() => fs.closeSync(fd))
  const last = Buffer.alloc(1)
  for (let byte = 1; byte <= 5; byte++) {
    const { ctimeNs } = await fstat(fd)
    const written = new Promise((resolve) => worker.once('message', resolve))
    worker.postMessage(byte, [])
    while (fs.fstatSync(fd, { bigint: true }).ctimeNs === ctimeNs) await new Promise((resolve) => setImmediate(resolve))
    t.ok(await writesAreDone(fd, size))
    fs.readSync(fd, last, 0, 1, size - 1)
    t.is(last[0], byte, 'its last byte is there')
    await written
  }
})

test('a file that grew since is not called quiet', async (t) => {
  const { root } = await rootsOf(t)
  fs.writeFileSync(join(root, 'f'), 'longer')
  const fd = fs.openSync(join(root, 'f'), 'r')
  t.teardown(() => fs.closeSync(fd))
  t.is(await writesAreDone(fd, 3), false)
})

test('a small file just renamed into place is read at once where times are fine, and only once it is old where they are not', async (t) => {
  const { root, roots } = await rootsOf(t)
  if (!(await new FineTimes(roots, null).fine())) return t.pass('coarse times')
  const age = async (fine: boolean): Promise<number> => {
    fs.writeFileSync(join(root, 'new'), 'content')
    const listed = await lstat(join(root, 'new'))
    const read = await readStable(roots, 'new' as PathKey, { listed, fine, signal: NEVER })
    t.is(read.kind, 'read')
    return Date.now() - Number(listed.ctimeNs / 1_000_000n)
  }
  t.ok((await age(false)) >= 12, 'coarse: it was left to settle')
  const ages = []
  for (let i = 0; i < 20; i++) ages.push(await age(true))
  t.ok(Math.min(...ages) < 12, 'fine: it was not')
})

test('where times are fine only what was written last waits for the next write, and not what was renamed into place', (t) => {
  const stat = (size: number, mtimeNs: bigint, ctimeNs: bigint): Parameters<typeof quietFor>[0] => ({ size: BigInt(size), mtimeNs, ctimeNs })
  t.is(quietFor(stat(100, 5n, 5n), true), 2, 'written')
  t.is(quietFor(stat(100, 4n, 5n), true), 0, 'renamed')
  t.is(quietFor(stat(100, 4n, 5n), false), 12, 'coarse times')
  t.is(quietFor(stat(0, 4n, 5n), true), 12, 'empty')
  t.is(quietFor(stat(MIB, 4n, 5n), true), 12, 'long')
})

test('an empty file is left to settle: most are about to be written', async (t) => {
  const { root, roots } = await rootsOf(t)
  fs.writeFileSync(join(root, 'new'), '')
  const listed = await lstat(join(root, 'new'))
  t.is((await readStable(roots, 'new' as PathKey, { listed, fine: true, signal: NEVER })).kind, 'read')
  t.ok(Date.now() - Number(listed.ctimeNs / 1_000_000n) >= 12)
})

test('of a file that is overwritten again and again only whole states are read', async (t) => {
  const { root, roots } = await rootsOf(t)
  if (!(await new FineTimes(roots, null).fine())) return t.pass('coarse times')
  const size = 60 * 1024
  const path = join(root, 'busy')
  fs.writeFileSync(path, Buffer.alloc(size))
  const whole = new Set(Array.from({ length: 256 }, (_, byte) => contentList(0, [{ id: chunkId(Buffer.alloc(size, byte)), length: size }]).cid))
  const worker = overwriter(t, path, size)
  let byte = 0
  const overwrite = (): void => worker.postMessage(++byte % 256, [])
  worker.on('message', () => setTimeout(overwrite, byte % 4))
  overwrite()
  let reads = 0
  let torn = 0
  for (const end = Date.now() + 1000; Date.now() < end; ) {
    const read = await readStable(roots, 'busy' as PathKey, { listed: await lstat(path), fine: true, signal: NEVER })
    if (read.kind !== 'read') continue
    reads++
    if (!whole.has(read.content.cid)) torn++
  }
  t.ok(reads > 0)
  t.is(torn, 0)
})
