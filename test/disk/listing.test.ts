/** Directories with many names are looked at in a thread: a scan tells the same. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { WorkerPool, type Workers } from '../../base/workers.ts'
import type { LstatOutput } from '../../daemon/disk/lstat-task.ts'
import { openFolder, scan, told, type Folder } from './tree.ts'

const MANY = 1100

interface Threads extends Workers {
  queued: number
  /** Looks at directories in a thread. */
  looks: number
  /** Before each of them. */
  before: () => void
  /** What each of them says. */
  answer: (output: LstatOutput) => LstatOutput
}

function threads(t: Assert): Threads {
  const pool = new WorkerPool()
  t.teardown(async () => await pool.close())
  return {
    size: pool.size,
    queued: 0,
    looks: 0,
    before: () => undefined,
    answer: (output) => output,
    async run<Output>(module: URL, input: unknown) {
      if (!module.href.endsWith('/lstat-task.js')) return await pool.run<Output>(module, input)
      this.looks++
      this.before()
      return this.answer(await pool.run<LstatOutput>(module, input)) as Output
    }
  }
}

/** A large directory, and one with few names in it. */
async function largeFolder(t: Assert, workers: Workers): Promise<Folder> {
  const folder = await openFolder(t, { workers })
  fs.mkdirSync(join(folder.root, 'large', 'small'), { recursive: true })
  for (let i = 0; i < MANY; i++) fs.writeFileSync(join(folder.root, 'large', `ä ${i}\n`), String(i))
  fs.symlinkSync('nowhere', join(folder.root, 'large', 'link'))
  fs.writeFileSync(join(folder.root, 'large', 'small', 'one'), '1')
  return folder
}

test('a thread tells of each name what lstat does', async (t) => {
  const workers = threads(t)
  const folder = await largeFolder(t, workers)
  t.is((await scan(folder)).length, MANY + 4)
  t.is(workers.looks, 3, 'not the small one')
  for (const path of ['large/ä 0\n', 'large/ä 1099\n', 'large/link', 'large/small']) {
    const { ino, size, mode, mtimeNs, ctimeNs } = fs.lstatSync(join(folder.root, path), { bigint: true })
    t.alike(folder.rows.seen(path), { ino: String(ino), size: Number(size), mode: Number(mode), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) })
  }
  t.alike(told(await scan(folder)), [], 'nothing differs from what was seen')
  fs.writeFileSync(join(folder.root, 'large', 'ä 7\n'), 'edited')
  fs.rmSync(join(folder.root, 'large', 'ä 8\n'))
  t.alike(told(await scan(folder)), ['absent large/ä 8\n', 'present large/ä 7\n'])
})

test('hinted paths are looked at without a thread', async (t) => {
  const workers = threads(t)
  const folder = await largeFolder(t, workers)
  await scan(folder)
  workers.looks = 0
  fs.writeFileSync(join(folder.root, 'large', 'new'), 'x')
  t.alike(told(await scan(folder, { paths: ['large' as never] })), ['present large/new'])
  t.is(workers.looks, 0)
})

test('a name that goes before the thread looks at it is not gone for sure', async (t) => {
  const workers = threads(t)
  const folder = await largeFolder(t, workers)
  await scan(folder)
  workers.before = () => fs.rmSync(join(folder.root, 'large', 'ä 9\n'), { force: true })
  t.alike(told(await scan(folder)), ['unstable large/ä 9\n'])
})

test('what the thread cannot look at is a problem, and never absent', async (t) => {
  const workers = threads(t)
  const folder = await largeFolder(t, workers)
  await scan(folder)
  workers.answer = (output) => ({ ...output, failed: [{ at: 3, code: 'EACCES', message: 'EACCES: permission denied' }] })
  const found = told(await scan(folder))
  t.is(found.length, 3, 'one of each task')
  t.ok(found.every((line) => /^problem large\/.* EACCES$/s.test(line)), JSON.stringify(found))
})

test('a thread that dies is done without', async (t) => {
  const folder = await largeFolder(t, { size: 1, queued: 0, run: () => Promise.reject(new Error('a worker thread ended')) })
  t.is((await scan(folder)).length, MANY + 4)
  t.alike(told(await scan(folder)), [])
})

test('a disk that let a thread wait is asked for several names at once', async (t) => {
  const workers = threads(t)
  const folder = await largeFolder(t, workers)
  workers.answer = (output) => ({ ...output, ms: 10_000 })
  t.is((await scan(folder)).length, MANY + 4)
  t.is(workers.looks, 1)
})

test('a look waits for no large file that is read', async (t) => {
  const workers = threads(t)
  const folder = await largeFolder(t, workers)
  workers.queued = 9
  t.is((await scan(folder)).length, MANY + 4)
  t.is(workers.looks, 0)
})
