/** Starting and stopping a real daemon by the command: by itself, at once, again, after a kill, in the foreground. No network. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'brittle'
import type { Assert } from 'brittle'
import type { P2psyncError } from '../../base/errors.ts'
import { resolvePaths } from '../../base/paths.ts'
import { Context } from '../../cli/context.ts'
import { plainClient, questions } from '../../cli/daemon-client.ts'
import { Output } from '../../cli/output.ts'
import { startInBackground } from '../../cli/start-daemon.ts'
import { createClient } from '../../rpc/client.ts'
import { routes } from '../../rpc/rest.ts'
import type { Method } from '../../rpc/schema.ts'
import { waitFor } from '../e2e/tree.ts'
import { cliMain, runCli } from './run-cli.ts'
import type { Ran } from './run-cli.ts'

const ALONE = { P2PSYNC_AUTOSTART: '', P2PSYNC_BOOTSTRAP: 'none', P2PSYNC_LAN: 'off', P2PSYNC_LISTEN: '0' }

interface Home {
  readonly path: string
  cli(...args: string[]): Promise<Ran>
  /** Null if no daemon answers. */
  pid(): Promise<number | null>
}

async function createHome(t: Assert): Promise<Home> {
  const path = await t.tmp()
  const client = createClient(resolvePaths({ P2PSYNC_HOME: path }).socket)
  const home: Home = {
    path,
    cli: (...args) => runCli(path, args, { env: ALONE }),
    pid: () => client.call('daemon.status').then((status) => status.pid, () => null),
  }
  t.teardown(async () => {
    const pid = await home.pid()
    if (pid !== null) await home.cli('stop')
    const left = await lockedBy(home)
    if (left !== null) process.kill(left, 'SIGKILL')
  })
  return home
}

/** The process that holds the home, or held it last and is still there. */
async function lockedBy(home: Home): Promise<number | null> {
  const text = await readFile(join(home.path, 'state', 'daemon.lock'), 'utf8').catch(() => '')
  return text.trim() !== '' && isThere(Number(text)) ? Number(text) : null
}

test('the first command starts the daemon, and several at once start one', { timeout: 60_000 }, async (t) => {
  const home = await createHome(t)
  const ran = await Promise.all([home.cli('status', '--json'), home.cli('devices', '--json'), home.cli('start', '--json')])
  for (const each of ran) t.is(each.code, 0, each.stderr)
  const pid = await home.pid()
  t.ok(pid !== null && pid !== process.pid)
  t.is((await home.cli('start', '--json')).json?.['pid'], pid)
})

test('a daemon that came too late, because another one answered, does not come up once that is stopped', { timeout: 60_000 }, async (t) => {
  const home = await createHome(t)
  const [hold, at, go] = ['hold.mjs', 'late.pid', 'go'].map((name) => join(home.path, name)) as [string, string, string]
  // Of the daemon only: the command that starts it has the same environment.
  writeFileSync(hold, `import { existsSync, renameSync, writeFileSync } from 'node:fs'
if (process.argv[1]?.endsWith('/daemon/main.js')) {
  writeFileSync('${at}.new', String(process.pid))
  renameSync('${at}.new', '${at}')
  while (!existsSync('${go}')) await new Promise((resolve) => setTimeout(resolve, 20))
}`)
  const late = runCli(home.path, ['start', '--json'], { env: { ...ALONE, NODE_OPTIONS: `--import=${pathToFileURL(hold).href}` } })
  await waitFor('the late one is held', () => existsSync(at))
  const pid = Number(readFileSync(at, 'utf8'))
  t.teardown(() => isThere(pid) && process.kill(pid, 'SIGKILL'))
  const first = (await home.cli('start', '--json')).json?.['pid']
  t.is((await late).json?.['pid'], first)
  t.is((await home.cli('stop', '--json')).json?.['stopped'], true)
  writeFileSync(go, '')
  await waitFor('it is gone, or has come up', async () => !isThere(pid) || (await home.pid()) !== null)
  t.is(await home.pid(), null)
})

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false // no such process
  }
}

/** Holds the daemon, which has begun to open, until the file `go` is there. */
function holdOpening(path: string, go: string): string {
  const hold = join(path, 'hold-opening.mjs')
  writeFileSync(hold, `import { existsSync } from 'node:fs'
import { Server } from 'node:net'
import { isMainThread } from 'node:worker_threads'
const { listen } = Server.prototype
// Nothing ends it if the test is killed.
const end = setTimeout(() => isMainThread && process.exit(1), 100_000)
Server.prototype.listen = function (...args) {
  const poll = setInterval(() => existsSync('${go}') && (clearInterval(poll), clearTimeout(end), listen.apply(this, args)), 20)
  return this
}`)
  return `--import=${pathToFileURL(hold).href}`
}

interface Slow {
  readonly result: Promise<{ pid: number } | P2psyncError>
  /** What the command has said on standard error. */
  said(): string
  /** It has said something, or has come to an end. */
  spoke(): boolean
}

/** Starts the daemon as a command does, with little patience. */
function startSlowly(home: Home, env: Readonly<Record<string, string>>): Slow {
  let said = ''
  let isOver = false
  const out = new Output({ json: false, stdout: { write: () => undefined }, stderr: { write: (text) => (said += text) } })
  const context = new Context(out, { ...process.env, ...ALONE, P2PSYNC_TEST: '1', P2PSYNC_HOME: home.path, ...env })
  const result = startInBackground(context, plainClient(context), 8000)
  return { result: result.catch((error: P2psyncError) => error).finally(() => (isOver = true)), said: () => said, spoke: () => isOver || said !== '' }
}

test('a start that takes long is waited for, and that is said once; a second command waits with it', { timeout: 120_000 }, async (t) => {
  const home = await createHome(t)
  const go = join(home.path, 'go')
  const slow = startSlowly(home, { NODE_OPTIONS: holdOpening(home.path, go), P2PSYNC_LOG: 'error' })
  await waitFor('it holds the home', async () => await lockedBy(home), 60_000)
  const second = startSlowly(home, {})
  await waitFor('it is said', () => slow.spoke(), 60_000)
  t.ok(/^p2psync: the daemon, process \d+, is still opening its store; .*\n$/.test(slow.said()), slow.said())
  await waitFor('the second one says it as well', () => second.spoke(), 60_000)
  t.is(second.said(), slow.said(), 'of the same process')
  writeFileSync(go, '')
  const [first, other] = await Promise.all([slow.result, second.result])
  const pid = await home.pid()
  t.alike([(first as { pid: number }).pid, (other as { pid: number }).pid], [pid, pid])
  t.is(slow.said().split('\n').length, 2, 'once')
})

test('a daemon that dies while its start is waited for is told at once', { timeout: 120_000 }, async (t) => {
  const home = await createHome(t)
  const slow = startSlowly(home, { NODE_OPTIONS: holdOpening(home.path, join(home.path, 'never')) })
  const pid = await waitFor('it holds the home', async () => await lockedBy(home), 60_000)
  const second = startSlowly(home, {})
  await waitFor('both wait for it', () => slow.spoke() && second.spoke(), 60_000)
  process.kill(pid, 'SIGKILL')
  const [first, other] = (await Promise.all([slow.result, second.result])) as [P2psyncError, P2psyncError]
  t.is(first.message, 'the daemon could not be started: it ended with SIGKILL; see `p2psync log`')
  t.is(other.message, 'the daemon that was starting ended before it answered; see `p2psync log`')
  t.alike([first.code, other.code], ['NOT_RUNNING', 'NOT_RUNNING'])
})

test('stop, restart and log', { timeout: 60_000 }, async (t) => {
  const home = await createHome(t)
  const started = await home.cli('start', '--json')
  t.is(started.json?.['started'], true, started.stderr)
  const restarted = await home.cli('restart', '--json')
  t.is(restarted.json?.['restarted'], true, restarted.stderr)
  t.not(restarted.json?.['pid'], started.json?.['pid'])
  t.ok((await home.cli('log')).stdout.includes('started'))
  const stopped = await home.cli('stop', '--json')
  t.alike([stopped.code, stopped.json?.['stopped']], [0, true])
  t.is(await home.pid(), null)
})

test('after kill -9 the next command starts the daemon again', { timeout: 60_000 }, async (t) => {
  const home = await createHome(t)
  const first = (await home.cli('start', '--json')).json?.['pid']
  process.kill(Number(first), 'SIGKILL')
  const ran = await home.cli('devices', '--json')
  t.is(ran.code, 0, ran.stderr)
  t.not(await home.pid(), first)
})

test('a daemon that goes with a question unanswered: the next one is asked; what may have changed something is not repeated', { timeout: 60_000 }, async (t) => {
  const home = await createHome(t)
  const { socket } = resolvePaths({ P2PSYNC_HOME: home.path })
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 })
  /** As of a process that was killed: it still takes the connection, and is gone a moment later. */
  const dying = createServer((taken) => taken.once('data', () => {
    dying.close()
    taken.destroy()
  }))
  await once(dying.listen(socket), 'listening')
  const paused = await home.cli('pause', '--json')
  t.is(paused.error?.code, 'NOT_RUNNING', paused.stdout)
  t.ok(paused.error?.message.includes('before it answered'))
  t.is(await home.pid(), null, 'nothing was started for it')
  await once(dying.listen(socket), 'listening')
  const asked = await home.cli('devices', '--json')
  t.is(asked.code, 0, asked.stderr)
  t.ok(await home.pid())
})

test('the questions of the command are what nothing but GET reaches', (t) => {
  const by = (isGet: boolean): Set<Method> => new Set(routes.filter(({ verb }) => (verb === 'get') === isGet).map(({ method }) => method))
  t.alike([...questions].sort(), [...by(true)].filter((method) => !by(false).has(method)).sort())
})

test('in the foreground it runs until SIGTERM and exits 0; a second one is refused', { timeout: 60_000 }, async (t) => {
  const home = await createHome(t)
  const env = { ...process.env, ...ALONE, P2PSYNC_TEST: '1', P2PSYNC_HOME: home.path }
  const daemon = spawn(process.execPath, [cliMain, 'daemon'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const exit = once(daemon, 'exit')
  t.teardown(() => daemon.kill('SIGKILL'))
  await new Promise<void>((resolve) => daemon.stderr.setEncoding('utf8').on('data', (text: string) => text.includes('"started"') && resolve()))
  const second = await home.cli('daemon', '--json')
  t.is(second.code, 1)
  t.ok(['ALREADY_RUNNING', 'STORE_LOCKED'].includes(second.error?.code ?? ''), second.stderr)
  daemon.kill('SIGTERM')
  t.alike(await exit, [0, null])
  t.is(await home.pid(), null)
})

test('add on a first start makes the folder and says how to go on', { timeout: 60_000 }, async (t) => {
  const home = await createHome(t)
  const added = await home.cli('add', 'Docs')
  t.is(added.code, 0, added.stderr)
  t.ok(added.stdout.includes('p2psync invite'))
  const { json } = await home.cli('list', '--json')
  t.is((json?.['folders'] as { name: string }[] | undefined)?.[0]?.name, 'Docs')
})
