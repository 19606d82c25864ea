/** Which hints a user's acts give, on a real disk with real inotify. */
import * as fs from 'node:fs'
import nodeFs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { EventFlood } from '../../daemon/disk/event-flood.ts'
import { FarLane } from '../../daemon/disk/far-lane.ts'
import { ChokidarWatcher } from '../../daemon/disk/watch.ts'
import type { Problem } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'

interface Watched {
  readonly root: string
  readonly watcher: ChokidarWatcher
  readonly problems: Problem[]
  /** Acts, and waits until all of these paths were hinted. */
  hints(act: () => void, ...paths: string[]): Promise<void>
  heard(): ReadonlySet<string>
}

async function watched(t: Assert, directories: readonly string[] = [''], { flood, lane = null }: { readonly flood?: EventFlood; readonly lane?: FarLane | null } = {}): Promise<Watched> {
  const root = await t.tmp()
  const heard = new Set<string>()
  const problems: Problem[] = []
  let listener: () => void = () => undefined
  for (const directory of directories) fs.mkdirSync(join(root, directory), { recursive: true })
  const watcher = new ChokidarWatcher({
    root,
    lane: () => lane,
    ...(flood === undefined ? {} : { flood }),
    inbox: {
      localChanged: (paths) => {
        for (const path of paths === 'all' ? ['all'] : paths) heard.add(path)
        listener()
      }
    },
    onProblem: (problem) => void problems.push(problem)
  })
  t.teardown(async () => await watcher.close(), { order: -1 })
  await watcher.watch(directories as PathKey[])
  const hints = async (act: () => void, ...paths: string[]): Promise<void> => {
    heard.clear()
    await new Promise<void>((resolve) => {
      listener = () => paths.every((path) => heard.has(path)) && resolve()
      act()
    })
    t.pass('hinted')
  }
  return { root, watcher, problems, hints, heard: () => heard }
}

/** From this thread, and from one of its own, for a disk that may not answer. */
for (const far of [false, true]) {
  const lane = far ? new FarLane() : null
  const check = (name: string, run: (t: Assert) => Promise<void>): void => void test(far ? `${name}, from a thread` : name, run)

  check('a watch stands when watch returns', async (t) => {
    const { root, hints, watcher } = await watched(t, [], { lane })
    fs.mkdirSync(join(root, 'd'))
    await hints(() => {
      stand(watcher.watch(['d' as PathKey]), () => fs.writeFileSync(join(root, 'd/f'), 'at once'))
    }, 'd/f')
  })

  check('files: made, written, renamed, given another mode or time, removed', async (t) => {
    const { root, hints } = await watched(t, ['', 'd'], { lane })
    await hints(() => fs.writeFileSync(join(root, 'd/f'), '1'), 'd/f')
    await hints(() => fs.appendFileSync(join(root, 'd/f'), '2'), 'd/f')
    await hints(() => fs.chmodSync(join(root, 'd/f'), 0o600), 'd/f')
    await hints(() => fs.utimesSync(join(root, 'd/f'), 1, 1), 'd/f')
    await hints(() => fs.renameSync(join(root, 'd/f'), join(root, 'g')), 'd/f', 'g')
    await hints(() => fs.truncateSync(join(root, 'g'), 0), 'g')
    await hints(() => fs.linkSync(join(root, 'g'), join(root, 'h')), 'h')
    await hints(() => fs.rmSync(join(root, 'g')), 'g')
  })

  check('symlinks and directories: made, replaced, removed', async (t) => {
    const { root, hints } = await watched(t, [''], { lane })
    await hints(() => fs.symlinkSync('a', join(root, 'l')), 'l')
    await hints(() => {
      fs.symlinkSync('b', join(root, 'm'))
      fs.renameSync(join(root, 'm'), join(root, 'l'))
    }, 'l')
    await hints(() => fs.mkdirSync(join(root, 'd')), 'd')
    await hints(() => fs.chmodSync(join(root, 'd'), 0o700), 'd')
    await hints(() => fs.rmdirSync(join(root, 'd')), 'd')
  })

  check('names with blanks, newlines, backslashes and other scripts', async (t) => {
    const { root, hints } = await watched(t, ['', 'back\\slash'], { lane })
    for (const name of [' a ', 'b\nc', 'd\\e', 'ä…𝄞', '*', '[x]', '!y']) await hints(() => fs.writeFileSync(join(root, name), ''), name)
    await hints(() => fs.writeFileSync(join(root, 'back\\slash/f'), ''), 'back\\slash/f')
  })

  check('a name that is not UTF-8 is a hint of its directory', async (t) => {
    const { root, hints } = await watched(t, ['', 'd'], { lane })
    await hints(() => fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/d/`), Buffer.of(0xff)]), ''), 'd')
  })

  check('a directory that moved is watched under its new name once it is met again', async (t) => {
    const { root, hints, watcher, heard } = await watched(t, ['', 'a', 'a/b'], { lane })
    await hints(() => fs.renameSync(join(root, 'a'), join(root, 'c')), 'a', 'c', 'a/b')
    await watcher.watch(['c', 'c/b'] as PathKey[])
    await hints(() => fs.writeFileSync(join(root, 'c/b/f'), ''), 'c/b/f')
    t.absent(heard().has('a/b/f'), 'and not under the old one')
  })

  check('a directory that was replaced is watched anew', async (t) => {
    const { root, hints, watcher } = await watched(t, ['', 'a'], { lane })
    await hints(() => {
      fs.rmSync(join(root, 'a'), { recursive: true })
      fs.mkdirSync(join(root, 'a'))
    }, 'a')
    await watcher.watch(['a' as PathKey])
    await hints(() => fs.writeFileSync(join(root, 'a/f'), ''), 'a/f')
  })

  check('our own directory gives no hint', async (t) => {
    const { root, hints, heard } = await watched(t, [''], { lane })
    fs.mkdirSync(join(root, '.p2psync'))
    fs.writeFileSync(join(root, '.p2psync/x'), '')
    await hints(() => fs.writeFileSync(join(root, 'f'), ''), 'f')
    t.alike([...heard()], ['f'])
  })

  check('what is not there or no directory is no problem', async (t) => {
    const { root, watcher, hints, problems } = await watched(t, [''], { lane })
    fs.writeFileSync(join(root, 'file'), '')
    fs.symlinkSync('/', join(root, 'link'))
    await watcher.watch(['gone', 'gone/below', 'file', 'link'] as PathKey[])
    await hints(() => fs.writeFileSync(join(root, 'f'), ''), 'f')
    t.alike(problems, [])
  })
}

/** Near: at once. */
function stand(watches: Promise<void> | null, then: () => void): void {
  if (watches === null) then()
  else watches.then(then, (error: unknown) => console.log(error))
}

test('a flood of events calls for a full scan', async (t) => {
  const { root, hints } = await watched(t, [''], { flood: new EventFlood(2000) })
  await hints(() => {
    for (let i = 0; i < 2000; i++) fs.writeFileSync(join(root, `f${i}`), 'x')
  }, 'all')
})

test('many directories that go at once are a hint each, and no full scan', async (t) => {
  const names = Array.from({ length: 90 }, (_, i) => `d${i}`)
  const { root, watcher, hints, heard } = await watched(t, [], { flood: new EventFlood(16_384) })
  for (const name of names) {
    fs.mkdirSync(join(root, name))
    for (let i = 0; i < 95; i++) fs.writeFileSync(join(root, name, `f${i}`), '')
  }
  await watcher.watch(['', ...names] as PathKey[])
  await hints(() => {
    for (const name of names) fs.rmSync(join(root, name), { recursive: true })
  }, ...names)
  t.alike([...heard()].sort(), [...names].sort(), 'none of a file in them, and not all')
})

test('many names of one directory are a hint of it', async (t) => {
  const { root, hints, heard } = await watched(t, ['', 'd'], { flood: new EventFlood(1_000_000) })
  await hints(() => {
    for (let i = 0; i < 5100; i++) fs.writeFileSync(join(root, 'd', `f${i}`), '')
    for (let i = 0; i < 5100; i++) fs.writeFileSync(join(root, `g${i}`), '')
  }, 'd', '')
  t.absent(heard().has('all'))
})

test('a watcher that was closed is silent', async (t) => {
  const { root, watcher, heard } = await watched(t)
  await watcher.close()
  await watcher.watch(['' as PathKey])
  fs.writeFileSync(join(root, 'f'), '')
  await new Promise((resolve) => setImmediate(resolve))
  await watcher.close()
  t.alike([...heard()], [])
})

test('where the limit of watches is reached, others may give up theirs, and all is looked at again; else it is told', async (t) => {
  const root = await t.tmp()
  const problems: Problem[] = []
  const heard: string[] = []
  let isRoom = true
  const watcher = new ChokidarWatcher({ root, inbox: { localChanged: (paths) => void heard.push(...(paths === 'all' ? ['all'] : paths)) }, makeRoom: () => isRoom, onProblem: (problem) => void problems.push(problem) })
  t.teardown(async () => await watcher.close(), { order: -1 })
  const { watch } = nodeFs
  t.teardown(() => restore(watch))
  restore(() => {
    throw Object.assign(new Error('no space left on device, watch'), { code: 'ENOSPC' })
  })
  const settle = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 50))
  await watcher.watch(['' as PathKey])
  await settle()
  t.alike(problems, [])
  t.alike(heard, ['all'])
  isRoom = false
  await watcher.watch(['' as PathKey])
  await settle()
  t.alike(problems.map(({ code }) => code), ['ENOSPC'])
  t.alike(heard, ['all'])
  restore(watch)
  await watcher.watch(['' as PathKey])
  fs.writeFileSync(join(root, 'f'), '')
  await settle()
  t.ok(heard.includes('f'), 'it is watched as soon as it can be')
})

/** What Node's own modules and chokidar get by that name. */
function restore(watch: typeof fs.watch | (() => never)): void {
  nodeFs.watch = watch as typeof fs.watch
  syncBuiltinESMExports()
}

test('a thousand directories are watched in little time and memory', async (t) => {
  const names = Array.from({ length: 1000 }, (_, i) => `d${i}`)
  const { root, watcher, hints } = await watched(t, [])
  for (const name of names) fs.mkdirSync(join(root, name))
  const before = process.memoryUsage().rss
  const start = performance.now()
  await watcher.watch(names as PathKey[])
  const ms = performance.now() - start
  const megabytes = (process.memoryUsage().rss - before) / 1e6
  t.comment(`${ms.toFixed(0)} ms, ${megabytes.toFixed(1)} MB`)
  t.ok(megabytes < 60)
  await hints(() => fs.writeFileSync(join(root, 'd999/f'), ''), 'd999/f')
})
