/** Threads that run tasks: their answers, their errors, and their end. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import test, { type Assert } from 'brittle'
import { WorkerPool } from '../../base/workers.ts'

const execFileAsync = promisify(execFile)

async function task(t: Assert, source: string): Promise<URL> {
  const file = join(await t.tmp(), 'task.mjs')
  writeFileSync(file, source)
  return pathToFileURL(file)
}

function pool(t: Assert): WorkerPool {
  const workers = new WorkerPool()
  t.teardown(() => workers.close())
  return workers
}

test('tasks run elsewhere, as many at once as there are threads, and each caller gets its own answer', async (t) => {
  const workers = pool(t)
  const where = await task(t, "import { threadId } from 'node:worker_threads'\nexport const run = (n) => ({ n, threadId })")
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => workers.run<{ n: number; threadId: number }>(where, n)))
  t.alike(answers.map(({ n }) => n), Array.from({ length: 20 }, (_, n) => n))
  t.ok(answers.every(({ threadId }) => threadId > 0))
  t.ok(new Set(answers.map(({ threadId }) => threadId)).size <= workers.size)
})

test('what a task throws is told with its code, and the thread goes on', async (t) => {
  const workers = pool(t)
  const failing = await task(t, "export const run = (bad) => { if (bad) throw Object.assign(new Error('no'), { code: 'EIO' }); return 'yes' }")
  const error = await workers.run(failing, true).then(
    () => null,
    (thrown: unknown) => thrown as Error & { code?: string }
  )
  t.is(error?.message, 'no')
  t.is(error?.code, 'EIO')
  t.is(await workers.run(failing, false), 'yes')
})

test('a thread that dies fails its task only; the next task gets a new one', async (t) => {
  const workers = pool(t)
  const dying = await task(t, 'export const run = (die) => { if (die) process.exit(3); return 1 }')
  await t.exception(workers.run(dying, true))
  t.is(await workers.run(dying, false), 1)
})

test('a task in the background gives way; others, before and after it and in the process itself, do not', async (t) => {
  const workers = pool(t)
  const where = await task(t, "import { getPriority } from 'node:os'\nexport const run = () => getPriority()")
  const before = getPriority()
  const told = async (count: number, background: boolean): Promise<number[]> => await Promise.all(Array.from({ length: count }, () => workers.run<number>(where, null, { background })))
  for (const background of [false, true, false, true]) {
    const priorities = new Set(await told(2 * workers.size, background))
    t.is(priorities.size, 1)
    if (background && process.platform === 'linux') t.ok([...priorities].every((priority) => priority > before))
    else t.ok(priorities.has(before))
  }
  t.is(getPriority(), before)
})

test('in a process that gives way itself, a task in the background gives way by more', async (t) => {
  const where = await task(t, "import { getPriority } from 'node:os'\nexport const run = () => getPriority()")
  const pools = new URL('../../base/workers.js', import.meta.url)
  const program = await task(t, `
    import { getPriority, setPriority } from 'node:os'
    import { WorkerPool } from ${JSON.stringify(pools)}
    const before = getPriority()
    setPriority(before + 7)
    const workers = new WorkerPool()
    for (const background of [false, true]) console.log((await workers.run(new URL(${JSON.stringify(where)}), null, { background })) - before)
    await workers.close()`)
  const { stdout } = await execFileAsync(process.execPath, [fileURLToPath(program)])
  t.alike(stdout.trim().split('\n').map(Number), [7, process.platform === 'linux' ? 12 : 7])
})

test('close ends what is under way, and nothing starts after it', async (t) => {
  const workers = new WorkerPool()
  const endless = await task(t, 'export const run = () => { for (;;); }')
  const running = Promise.allSettled(Array.from({ length: workers.size + 2 }, () => workers.run(endless, null)))
  await workers.close()
  t.ok((await running).every(({ status }) => status === 'rejected'))
  await t.exception(workers.run(endless, null))
})
