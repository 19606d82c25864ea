/** Watches from a thread of their own, which may not come up, end, or be in a call that does not come back. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type Assert } from 'brittle'
import { FarLane } from '../../daemon/disk/far-lane.ts'
import { FarWatch, type FarAnswer, type FarDirectory, type FarWatchListener } from '../../daemon/disk/far-watch.ts'
import { ChokidarWatcher, type WatcherOptions } from '../../daemon/disk/watch.ts'
import type { Problem } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'

const REST_MS = 10 * 60_000
const NOWHERE = new URL('file:///nowhere.js')

function thread(code: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'\n${code}`)}`)
}

/** Threads that watch do not. */
function keepProcess(t: Assert): void {
  const timer = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(timer))
}

const SILENT = thread("parentPort.on('message', () => undefined)")

interface Watched {
  readonly root: string
  readonly watcher: ChokidarWatcher
  readonly problems: Problem[]
  readonly heard: string[]
  heardOf(path: string): Promise<void>
}

async function watcherOf(t: Assert, options: Partial<WatcherOptions>, onAll: (watcher: ChokidarWatcher) => void = () => undefined): Promise<Watched> {
  keepProcess(t)
  const root = await t.tmp()
  const problems: Problem[] = []
  const heard: string[] = []
  const watcher: ChokidarWatcher = new ChokidarWatcher({
    root,
    inbox: {
      localChanged: (paths) => {
        heard.push(...(paths === 'all' ? ['all'] : paths))
        if (paths === 'all') onAll(watcher)
      }
    },
    onProblem: (problem) => void problems.push(problem),
    ...options
  })
  t.teardown(async () => await watcher.close(), { order: -1 })
  const heardOf = async (path: string): Promise<void> => {
    for (let left = 500; left > 0 && !heard.includes(path); left--) await sleep(10)
    t.ok(heard.includes(path), `${path} is hinted`)
  }
  return { root, watcher, problems, heard, heardOf }
}

/** Its lists pass by `before`. */
class Seen extends FarWatch {
  readonly #before: (directories: readonly FarDirectory[]) => Promise<void>

  constructor(listener: FarWatchListener, before: (directories: readonly FarDirectory[]) => Promise<void>) {
    super(listener)
    this.#before = before
  }

  override async watch(directories: readonly FarDirectory[]): Promise<readonly FarAnswer[] | null> {
    await this.#before(directories)
    return await super.watch(directories)
  }
}

const NOTHING: FarWatchListener = { event: () => undefined, doubt: () => undefined, sign: () => undefined, failed: () => undefined, ended: () => undefined }

test('a folder that is given up while its disk does not answer: who waits for a watch is told', async (t) => {
  const lane = new FarLane()
  const { watcher } = await watcherOf(t, { lane: () => lane, startFar: (listener) => new FarWatch(listener, { module: SILENT }) })
  const waiting = watcher.watch(['d' as PathKey])
  await sleep(50)
  lane.cut()
  await t.exception(async () => await waiting, /does not answer/)
})

test('the calls of a folder are over once its thread is out of the last one, and not before', async (t) => {
  const lane = new FarLane()
  const fifo = join(await t.tmp(), 'fifo')
  execFileSync('mkfifo', [fifo])
  const module = thread(`import { openSync } from 'node:fs'\nparentPort.on('message', () => {\nparentPort.postMessage({ kind: 'failed', code: 'IN', message: 'in the call' })\nopenSync(${JSON.stringify(fifo)})\n})`)
  const { watcher, problems } = await watcherOf(t, { lane: () => lane, startFar: (listener) => new FarWatch(listener, { module }) })
  const waiting = watcher.watch(['d' as PathKey])
  waiting?.catch(() => undefined)
  for (let left = 1000; left > 0 && problems.length === 0; left--) await sleep(10)
  await sleep(200)
  lane.cut()
  await watcher.close()
  await sleep(200)
  t.absent(lane.isOver)
  // Does not wait for a reader that is not there.
  fs.closeSync(fs.openSync(fifo, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK))
  await lane.over()
  t.ok(lane.isOver)
})

test('a thread that watches and ends is told of, and nobody waits for it', async (t) => {
  keepProcess(t)
  const told: string[] = []
  const source = new FarWatch({ ...NOTHING, ended: (error, answered) => told.push(error.message, String(answered)) }, { module: NOWHERE })
  t.teardown(() => source.close())
  t.is(await source.watch([{ path: '/', root: true, known: null }]), null)
  t.alike(told.map((text) => (text.includes('/nowhere.js') ? 'nowhere' : text)), ['nowhere', 'false'])
})

test('a thread that does not come up is not started again for each directory, and calls for no scan; some time later it is', async (t) => {
  const lane = new FarLane()
  let starts = 0
  let now = 0
  const { watcher, heard, problems } = await watcherOf(t, { lane: () => lane, now: () => now, startFar: (listener) => (starts++, new FarWatch(listener, { module: NOWHERE })) }, (again) => void again.watch(['' as PathKey]))
  for (const name of ['', 'a', 'b', 'c']) await watcher.watch([name as PathKey])
  t.is(starts, 1)
  now = REST_MS - 1
  await watcher.watch(['' as PathKey])
  t.is(starts, 1)
  now = REST_MS
  await watcher.watch(['' as PathKey])
  t.is(starts, 2)
  t.alike(heard, [])
  t.is(problems.length, 1)
})

test('one that ends again and again is started three times', async (t) => {
  const lane = new FarLane()
  let starts = 0
  const module = thread("parentPort.on('message', ({ id, directories }) => {\nparentPort.postMessage({ kind: 'answer', id, answers: directories.map(() => null) })\nsetImmediate(() => process.exit())\n})")
  const { watcher, heard } = await watcherOf(t, { lane: () => lane, startFar: (listener) => (starts++, new FarWatch(listener, { module })) }, (again) => void again.watch(['' as PathKey]))
  await watcher.watch(['' as PathKey])
  for (let left = 500; left > 0 && heard.length < 3; left--) await sleep(10)
  await sleep(300)
  t.is(starts, 3)
  t.alike(heard, ['all', 'all', 'all'], 'what was not watched is looked at, the last time as well')
})

test('where the system gives no thread, or does not let it be asked, a scan goes on, and it is told', async (t) => {
  const lane = new FarLane()
  let starts = 0
  const startFar = (): never => {
    starts++
    throw Object.assign(new Error('no thread'), { code: 'EAGAIN' })
  }
  const { watcher, problems } = await watcherOf(t, { lane: () => lane, startFar })
  await watcher.watch(['' as PathKey])
  await watcher.watch(['a' as PathKey])
  t.alike(problems.map(({ code }) => code), ['EAGAIN'])
  t.is(starts, 1)
  const mute = await watcherOf(t, { lane: () => lane, startFar: (listener) => new Seen(listener, async () => await Promise.reject(new Error('no'))) })
  await mute.watcher.watch(['' as PathKey])
  t.alike(mute.problems.map(({ code }) => code), ['watch-failed'])
})

test('a long list is asked for in parts, between which it can be broken off: by who asks, then all is looked at, and by closing', async (t) => {
  const lane = new FarLane()
  const sizes: number[] = []
  const startFar = (listener: FarWatchListener): FarWatch => new Seen(listener, async (directories) => void sizes.push(directories.length))
  const { root, watcher, heard } = await watcherOf(t, { lane: () => lane, startFar })
  const names = Array.from({ length: 1000 }, (_, i) => `d${i}` as PathKey)
  for (const name of names) fs.mkdirSync(join(root, name))
  await watcher.watch(names, () => sizes.length === 2)
  t.alike(sizes, [256, 256])
  t.alike(heard, ['all'])
  await watcher.watch(names)
  t.alike(sizes.slice(2), [256, 256, 256, 232])
  const last = watcher.watch(names)
  await watcher.close()
  await last
  t.ok(sizes.length <= 7)
})

test('a directory that goes and comes back while it is asked for is watched', async (t) => {
  const lane = new FarLane()
  let meanwhile = async (): Promise<void> => undefined
  const { root, watcher, heard, heardOf } = await watcherOf(t, { lane: () => lane, startFar: (listener) => new Seen(listener, async () => await meanwhile()) })
  fs.mkdirSync(join(root, 'd'))
  await watcher.watch(['', 'd'] as PathKey[])
  meanwhile = async () => {
    meanwhile = async () => undefined
    fs.renameSync(join(root, 'd'), join(root, 'x'))
    fs.renameSync(join(root, 'x'), join(root, 'd'))
    await heardOf('x')
    await sleep(50)
  }
  await watcher.watch(['d' as PathKey])
  heard.length = 0
  fs.writeFileSync(join(root, 'd/f'), '')
  await heardOf('d/f')
})

test('a directory that left the folder is not watched any more', async (t) => {
  const lane = new FarLane()
  const { root, watcher, heardOf } = await watcherOf(t, { lane: () => lane })
  const elsewhere = await t.tmp()
  fs.mkdirSync(join(root, 'd'))
  await watcher.watch(['', 'd'] as PathKey[])
  const before = watches()
  fs.renameSync(join(root, 'd'), join(elsewhere, 'd'))
  await heardOf('d')
  for (let left = 500; left > 0 && watches() === before; left--) await sleep(10)
  t.is(watches(), before - 1)
})

/** Of the kernel, for this process. */
function watches(): number {
  const queues = fs.readdirSync('/proc/self/fd').filter((fd) => fs.existsSync(`/proc/self/fdinfo/${fd}`) && fs.readlinkSync(`/proc/self/fd/${fd}`).includes('inotify'))
  return queues.reduce((sum, fd) => sum + fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').split('\n').filter((line) => line.startsWith('inotify')).length, 0)
}

test('below a directory that was replaced, one that is the same as before is watched', async (t) => {
  const lane = new FarLane()
  const { root, watcher, heardOf } = await watcherOf(t, { lane: () => lane })
  fs.mkdirSync(join(root, 'a/b'), { recursive: true })
  await watcher.watch(['', 'a', 'a/b'] as PathKey[])
  fs.mkdirSync(join(root, 'new'))
  fs.renameSync(join(root, 'a/b'), join(root, 'new/b'))
  fs.rmdirSync(join(root, 'a'))
  fs.renameSync(join(root, 'new'), join(root, 'a'))
  await watcher.watch(['a', 'a/b'] as PathKey[])
  await sleep(50)
  await watcher.watch(['a', 'a/b'] as PathKey[])
  fs.writeFileSync(join(root, 'a/b/f'), '')
  await heardOf('a/b/f')
})

test('a flood of events of the queue of the thread calls for a full scan', async (t) => {
  const lane = new FarLane()
  const { root, watcher, heardOf } = await watcherOf(t, { lane: () => lane, startFar: (listener) => new FarWatch(listener, { queueLimit: 2 }) })
  await watcher.watch(['' as PathKey])
  for (let i = 0; i < 200; i++) fs.writeFileSync(join(root, `f${i}`), 'x')
  await heardOf('all')
})

test('many slow directories in one list are no silence', async (t) => {
  const lane = new FarLane()
  const module = thread("parentPort.on('message', ({ id, directories }) => {\nconst timer = setInterval(() => parentPort.postMessage({ kind: 'sign' }), 50)\nsetTimeout(() => {\nclearInterval(timer)\nparentPort.postMessage({ kind: 'answer', id, answers: directories.map(() => null) })\n}, 1500)\n})")
  const { watcher } = await watcherOf(t, { lane: () => lane, startFar: (listener) => new FarWatch(listener, { module }) })
  t.absent(await lane.silence(Promise.resolve(watcher.watch(['' as PathKey])), 700))
})

test('another file system in the same place: from a disk of this machine to another one, and back', async (t) => {
  const far = new FarLane()
  let lane: FarLane | null = null
  let starts = 0
  const { root, watcher, heard, heardOf } = await watcherOf(t, { lane: () => lane, startFar: (listener) => (starts++, new FarWatch(listener)) })
  fs.mkdirSync(join(root, 'd'))
  for (const [i, next] of [null, far, new FarLane(), null].entries()) {
    lane = next
    heard.length = 0
    await watcher.watch(['' as PathKey])
    if (i > 0) t.alike(heard, ['all'], 'the watches of before are gone, also those that nobody asks for now')
    await watcher.watch(['d' as PathKey])
    fs.writeFileSync(join(root, `d/f${i}`), '')
    await heardOf(`d/f${i}`)
  }
  t.is(starts, 2, 'each has a thread of its own')
})
