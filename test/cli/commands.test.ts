/** The command against a fake daemon: exit codes, JSON shapes, what users type and mistype. */
import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { P2psyncError } from '../../base/errors.ts'
import type { Handlers, Method, Result } from '../../rpc/schema.ts'
import { DEVICE_ID, fakeHandlers, folder, FOLDER_ID, folderStatus, refusing, startFake, status } from '../rpc/fake-daemon.ts'
import { runCli, runHere } from './run-cli.ts'

const JSON_SHAPES: readonly (readonly [args: string, keys: readonly string[]])[] = [
  ['add x', ['folder', 'joined']],
  ['remove docs', ['folder']],
  ['list', ['folders']],
  ['list --keys', ['folders']],
  ['status', ['device', 'devices', 'folders', 'reason']],
  ['invite', ['expiresAt', 'invite']],
  ['join CODE', ['device', 'devices']],
  ['devices', ['devices']],
  ['devices list', ['devices']],
  ['devices rename nas box', ['device']],
  ['devices remove nas', ['device']],
  ['devices address nas 10.0.0.1:80', ['device']],
  ['pause', ['folders']],
  ['resume docs', ['folders']],
  ['scan docs', ['folders']],
  ['sync', ['absent', 'blocked', 'ok', 'outcome', 'paused', 'reason']],
  ['conflicts', ['conflicts']],
  ['doctor', ['checks']],
  ['doctor docs --check --repair', ['busy', 'checked', 'findings', 'folder', 'left']],
  ['resolve a.txt --keep this', ['copies', 'folder', 'keep', 'path']],
  ['history a.txt', ['folder', 'path', 'silent', 'versions']],
  ['restore a.txt --version abcdef0123', ['folder', 'path', 'to', 'version']],
  ['restore docs --at 2h --to x', ['at', 'bytes', 'directories', 'files', 'folder', 'missing', 'silent', 'to']],
  ['approve docs', ['elsewhere', 'folder', 'here']],
  ['reject docs', ['elsewhere', 'folder', 'here']],
  ['ignore docs *.o', ['folder', 'patterns', 'problems']],
  ['ignore --check a.tmp', ['folder', 'ignored', 'path', 'rule']],
  ['config', ['config']],
  ['config set deviceName x', ['config', 'restart']],
  ['log --level debug', ['level']],
  ['start', ['pid', 'started', 'version']],
  ['version', ['node', 'version']],
]
test('--json: one document with schema 1 and the documented keys; text without it', async (t) => {
  const { home } = await startFake(t)
  for (const [line, keys] of JSON_SHAPES) {
    const args = line.split(' ')
    const [json, text] = await Promise.all([runHere(home, [...args, '--json']), runHere(home, args)])
    t.is(json.code, 0, line)
    t.is(json.json?.['schema'], 1)
    t.alike(Object.keys(json.json ?? {}).filter((key) => key !== 'schema').sort(), keys, line)
    t.is(json.stderr, '')
    t.is(text.code, 0)
    t.ok(text.stdout.trim().length > 0 && text.json === undefined, `${line}: text for people`)
    t.absent(text.stdout.includes('\u001b'), 'no colours or control characters where nobody looks')
  }
})

const USAGE_TEXTS: readonly (readonly [line: string, says: string])[] = [
  ['restore', "missing required argument 'path|folder'; see `p2psync restore --help`"],
  ['devices rename', "missing required argument 'device'; see `p2psync devices rename --help`"],
  ['join a b', "too many arguments for 'join', expected 1 argument but got 2; see `p2psync join --help`"],
  ['service', 'p2psync service needs another word; see `p2psync service --help`'],
  ['help nope', "unknown command 'nope'; see `p2psync --help`"],
  ['devices --nope', "unknown option '--nope'; see `p2psync devices --help`"],
]
test('wrong usage names the help of the command that was meant', async (t) => {
  const { home } = await startFake(t)
  for (const [line, says] of USAGE_TEXTS) t.is((await runHere(home, line.split(' '))).stderr, `p2psync: ${says}\n`)
  t.is((await runHere(home, ['--json'])).error?.message, 'no command is given; see `p2psync --help`')
})

test('--version is version; restore keeps its own', async (t) => {
  const { home } = await startFake(t)
  t.is((await runHere(home, ['--version'])).stdout, (await runHere(home, ['version'])).stdout)
  t.is((await runHere(home, ['--version', '--json'])).json?.['schema'], 1)
  t.is((await runHere(home, ['restore', 'a.txt', '--version', 'abcdef0123'])).code, 0)
})

test('devices of one name are told apart', async (t) => {
  const twins = { ...status, device: { ...status.device, name: 'nas' } }
  const { home } = await startFake(t, fakeHandlers({ 'status.get': async () => twins }))
  t.ok((await runHere(home, ['status'])).stdout.includes('nas (d1d1d1d1)'))
})

test('--json is understood before the command as well', async (t) => {
  const { home } = await startFake(t)
  t.is((await runHere(home, ['--json', 'devices'])).json?.['schema'], 1)
})

test('status tells a person what matters', async (t) => {
  const { home } = await startFake(t)
  const { stdout } = await runHere(home, ['status'])
  t.ok(stdout.includes('laptop'))
  t.ok(/nas\s+connected over udx/.test(stdout))
  t.ok(stdout.includes('1,234 files, 1 directory, 9.88 MB'))
  t.ok(stdout.includes('nas needs 3 files (1.20 MB) and 1 deletion'))
  t.ok(stdout.includes('2 conflicts'))
  t.ok(stdout.includes('bad\\u001b[2Jname: a FIFO is not synced'), 'control characters of a name are shown, not sent')
})

test('status says in one line why nothing is synced on this device, with folders and without', async (t) => {
  const reason = { code: 'removed', message: 'this device was removed from its group; do this' }
  const halted = [folderStatus, { ...folderStatus, id: DEVICE_ID, name: 'music' }].map((each) => ({ ...each, state: 'halted' as const, reason }))
  for (const folders of [[], halted]) {
    const { home } = await startFake(t, fakeHandlers({ 'status.get': async () => ({ ...status, reason, folders }) }))
    const { stdout } = await runHere(home, ['status'])
    t.is(stdout.split('\n')[1], 'This device was removed from its group; do this.')
    t.is(stdout.split('removed from its group').length, 2, 'once')
    t.absent(stdout.includes('p2psync add'), 'no advice that would not help')
  }
})

const USAGE: readonly (readonly string[])[] = [
  [],
  ['no-such-command'],
  ['add'],
  ['add', 'a', 'b'],
  ['list', '--no-such-option'],
  ['add', 'x', '--join', 'a', '--new'],
  ['add', 'x', '--mode', 'send-only'],
  ['sync', '--timeout', 'soon'],
  ['sync', '--timeout', '0'],
  ['invite', '--expires', '3w'],
  ['ignore'],
  ['log', '--lines', 'many'],
  ['log', '--level', 'loud'],
  ['completion', 'powershell'],
  ['devices', 'explode'],
  ['service'],
  ['help', 'nope'],
  ['add', ''],
  ['devices', 'address', 'nas', 'nowhere'],
]
test('R41: a folder that only sends is refused with a sentence', async (t) => {
  const { home } = await startFake(t)
  const refused = await runHere(home, ['add', 'x', '--mode', 'send-only'])
  t.is(refused.code, 2)
  t.ok(refused.stderr.includes('send-only'), refused.stderr)
})

for (const args of USAGE) {
  test(`wrong usage is exit 2: p2psync ${args.join(' ')}`, async (t) => {
    const { home } = await startFake(t)
    const text = await runHere(home, args)
    t.is(text.code, 2, text.stderr)
    t.absent(/\n\s+at /.test(text.stderr), 'no stack')
    if (args.length === 0) return
    t.is(text.stderr.trim().split('\n').length, 1, 'one sentence')
    const json = await runHere(home, [...args, '--json'])
    t.is(json.code, 2)
    t.is(json.error?.code, 'USAGE', json.stderr)
  })
}

const EXITS: readonly (readonly [method: Method, code: Parameters<typeof refusing>[1], args: string, exit: number])[] = [
  ['folders.add', 'PATH_MISSING', 'add x', 1],
  ['folders.add', 'FOLDER_OWNED', 'add x', 1],
  ['folders.pause', 'FOLDER_AMBIGUOUS', 'pause docs', 1],
  ['invites.join', 'INVITE_EXPIRED', 'join CODE', 1],
  ['invites.join', 'TIMEOUT', 'join CODE', 1],
  ['invites.join', 'GROUP_NOT_ALONE', 'join CODE', 5],
  ['folders.scan', 'FOLDER_HALTED', 'scan docs', 5],
  ['config.set', 'CONFIG_UNKNOWN_KEY', 'config set colour red', 2],
  ['config.set', 'CONFIG_INVALID', 'config set listenPort x', 2],
]
for (const [method, code, line, exit] of EXITS) {
  test(`exit ${exit} when ${line} meets ${code}`, async (t) => {
    const { home } = await startFake(t, fakeHandlers(refusing(method, code)))
    const ran = await runHere(home, [...line.split(' '), '--json'])
    t.is(ran.code, exit)
    t.is(ran.error?.code, code)
    t.is(ran.stdout, '')
    t.is((await runHere(home, line.split(' '))).stderr, 'p2psync: it is refused; do something else\n')
  })
}

type Outcome = Result<'folders.sync'>['outcome']
const OUTCOMES: readonly (readonly [outcome: Outcome, exit: number, code: string])[] = [
  ['blocked', 1, 'NOT_IN_SYNC'],
  ['timeout', 4, 'TIMEOUT'],
  ['no-peers', 4, 'NO_PEERS'],
  ['halted', 5, 'FOLDER_HALTED'],
  ['decision', 5, 'NEEDS_DECISION'],
]
for (const [outcome, exit, code] of OUTCOMES) {
  test(`R38: sync that ends ${outcome} is exit ${exit}`, async (t) => {
    const reason = { code: 'marker-missing', message: 'the marker is gone; do this' }
    const blocked = [{ path: 'a', code: 'EACCES', message: 'no permission', folder: FOLDER_ID, device: DEVICE_ID }]
    const result = { ok: false, outcome, reason, blocked, absent: [{ id: DEVICE_ID, name: 'phone' }], paused: [] }
    const { home } = await startFake(t, fakeHandlers({ 'folders.sync': async () => result }))
    const ran = await runHere(home, ['sync', 'docs', '--json'])
    t.is(ran.code, exit)
    t.alike(ran.json, { schema: 1, ...result }, 'the whole answer on standard output')
    t.is(ran.error?.code, code)
    const text = await runHere(home, ['sync'])
    t.is(text.code, exit)
    t.ok(text.stdout.includes('phone'))
  })
}

test('sync of a folder that is paused here says so once', async (t) => {
  const reason = { code: 'paused', message: 'the folder docs is paused on this device' }
  const { home } = await startFake(t, fakeHandlers({ 'folders.sync': async () => ({ ok: false, outcome: 'halted', reason, blocked: [], absent: [], paused: [{ id: DEVICE_ID, name: 'laptop' }] }) }))
  const { code, stdout, stderr } = await runHere(home, ['sync'])
  t.is(code, 5)
  t.is(stderr, 'p2psync: the folder docs is paused on this device\n')
  t.is(stdout, '')
})

test('approve says whose history holds what was deleted', async (t) => {
  const { home } = await startFake(t)
  t.is((await runHere(home, ['approve', 'docs'])).stdout, '2 paths deleted in docs; the history of other devices that had them holds them for a while.\n')
  const theirs = await startFake(t, fakeHandlers({ 'folders.approve': async () => ({ folder, here: 0, elsewhere: 2 }) }))
  t.is((await runHere(theirs.home, ['approve', 'docs'])).stdout, '2 paths deleted in docs; history holds them for a while.\n')
})

test('ignore says of each line that ignores nothing why', async (t) => {
  const problems = [{ path: '.p2psyncignore', code: 'pattern-unused', message: 'line 1, a\u001b[2J, ignores nothing' }]
  const { home } = await startFake(t, fakeHandlers({ 'folders.ignore': async () => ({ folder, patterns: ['a'], problems }) }))
  const { stdout, stderr } = await runHere(home, ['ignore', 'docs'])
  t.alike([stdout, stderr], ['a\n', '.p2psyncignore: line 1, a\\u001b[2J, ignores nothing\n'])
})

test('R38: sync that waits for bytes that nobody can give says that, and not that it goes on', async (t) => {
  const waits = { path: 'a', code: 'unavailable', message: 'no connected device can give its bytes; connect one that has them', folder: FOLDER_ID, device: DEVICE_ID }
  const { home } = await startFake(t, fakeHandlers({ 'folders.sync': async () => ({ ok: false, outcome: 'timeout', reason: null, blocked: [waits], absent: [], paused: [] }) }))
  const { code, stdout, stderr } = await runHere(home, ['sync'])
  t.is(code, 4)
  t.ok(stderr.includes('a path waits for bytes that no connected device can give'), stderr)
  t.ok(stdout.includes('a: no connected device can give its bytes'), stdout)
})

test('doctor: findings that are left are exit 1, 5 where the user must decide; what fails alone is exit 1', async (t) => {
  const { home } = await startFake(t)
  const left = await runHere(home, ['doctor', 'docs', '--check'])
  t.is(left.code, 1)
  t.ok(left.stdout.includes('a\\u001b[2J.txt') && left.stdout.includes('--repair'), left.stdout)
  for (const args of [['doctor', '--check'], ['doctor', 'docs'], ['doctor', '--repair']]) t.is((await runHere(home, args)).code, 2, args.join(' '))
  const fake = fakeHandlers()
  const deciding = { ...fake, 'folders.check': async () => ({ ...(await fake['folders.check']({ folder: 'docs' }, { signal: new AbortController().signal })), folder: { ...folder, state: 'decision' as const } }) }
  const held = await startFake(t, deciding)
  t.is((await runHere(held.home, ['doctor', 'docs', '--check'])).code, 5)
  const failing = await startFake(t, fakeHandlers({ 'daemon.doctor': async () => ({ checks: [{ name: 'disk', state: 'fail', message: 'it is gone' }] }) }))
  t.is((await runHere(failing.home, ['doctor'])).code, 1)
})

test('sync passes its time-out on', async (t) => {
  const asked: unknown[] = []
  const { home } = await startFake(t, fakeHandlers({ 'folders.sync': async (params) => (asked.push(params), { ok: true, outcome: 'in-sync', reason: null, blocked: [], absent: [], paused: [] }) }))
  await runHere(home, ['sync'])
  await runHere(home, ['sync', 'docs', '--timeout', '2m'])
  t.alike(asked, [{ timeoutMs: 60_000 }, { folder: 'docs', timeoutMs: 120_000 }])
})

/** Records what a method was asked with. */
function recording<M extends Method>(method: M, asked: unknown[]): Partial<Handlers> {
  const handler = fakeHandlers()[method] as (...args: unknown[]) => Promise<unknown>
  return { [method]: (...args: unknown[]) => (asked.push(args[0]), handler(...args)) }
}

test('paths become absolute; a word is a name first and a path if there is no such folder', async (t) => {
  const asked: unknown[] = []
  const { home } = await startFake(t, fakeHandlers({ ...recording('folders.add', asked), ...recording('status.get', asked) }))
  const cwd = realpathSync(home)
  mkdirSync(join(cwd, 'Pics'))
  await runHere(home, ['add', 'Pics', '--name', 'p'], { cwd })
  await runHere(home, ['add', '../x/./y', '--new'], { cwd })
  await runHere(home, ['status', 'docs'], { cwd })
  await runHere(home, ['status', './Pics'], { cwd })
  const unknown = await runHere(home, ['status', 'Pics', '--json'], { cwd })
  await runHere(home, ['status', 'nothing'], { cwd })
  t.alike(asked, [
    { path: join(cwd, 'Pics'), name: 'p' },
    { path: join(cwd, '..', 'x', 'y'), new: true },
    { folder: 'docs' },
    { folder: join(cwd, 'Pics') },
    { folder: 'Pics' },
    { folder: join(cwd, 'Pics') },
    { folder: 'nothing' },
  ])
  t.is(unknown.error?.code, 'FOLDER_UNKNOWN')
})

test('join takes the code from standard input, where no other user can read it', async (t) => {
  const codes: unknown[] = []
  const { home } = await startFake(t, fakeHandlers({ 'invites.join': async ({ code }) => (codes.push(code), Promise.reject(new P2psyncError('INVITE_USED', 'used'))) }))
  for (const args of [['join'], ['join', '-']]) t.is((await runCli(home, args, { input: 'the-code \nmore\n' })).error?.code ?? 1, 1)
  t.alike(codes, ['the-code', 'the-code'])
  t.is((await runCli(home, ['join', '--json'])).error?.code, 'USAGE', 'nothing came')
})

test('add says what to type on the other device, as long as there is none', async (t) => {
  const alone = fakeHandlers({ 'devices.list': async () => ({ devices: [{ id: DEVICE_ID, name: 'laptop', self: true, connected: false, address: null, transport: null, lastSeen: null, rxBytes: 0, txBytes: 0 }] }) })
  const first = await startFake(t, alone)
  const { stdout } = await runHere(first.home, ['add', 'x'])
  t.ok(stdout.includes('p2psync invite') && stdout.includes('p2psync join CODE'))
  const paired = await startFake(t)
  t.absent((await runHere(paired.home, ['add', 'x'])).stdout.includes('invite'))
  t.ok((await runHere(paired.home, ['add', 'x', '--join', 'docs'])).stdout.includes('merged'), 'joining says so')
})

test('without a daemon, and told not to start one: exit 3 and how to start it', async (t) => {
  const home = await t.tmp()
  for (const line of ['status', 'add x', 'events']) {
    const ran = await runCli(home, [...line.split(' '), '--json'])
    t.is(ran.code, 3, line)
    t.is(ran.error?.code, 'NOT_RUNNING')
    t.ok(ran.error?.message.includes('p2psync start'))
  }
  t.is((await runCli(home, ['stop', '--json'])).json?.['stopped'], false, 'stop has nothing to do')
  t.is((await runCli(home, ['log'])).code, 0)
})

test('a daemon that refuses to start: exit 3 with its own sentence', { timeout: 60_000 }, async (t) => {
  const home = await t.tmp()
  const autostart = await runCli(home, ['status', '--json'], { env: { P2PSYNC_AUTOSTART: '' } })
  t.is(autostart.code, 3)
  t.ok(autostart.error?.message.includes('P2PSYNC_BOOTSTRAP'), autostart.stderr)
  const foreground = await runCli(home, ['daemon', '--json'])
  t.is(foreground.code, 3)
  t.is(foreground.error?.code, 'UNSAFE_TEST', foreground.stderr)
  t.ok((await runCli(home, ['daemon'])).stderr.startsWith('p2psync: '), 'a sentence for people')
})

test('a home deeper than a socket path can be works all the same', async (t) => {
  const home = join(await t.tmp(), 'deep'.repeat(30))
  mkdirSync(home, { recursive: true })
  const { resolvePaths } = await import('../../base/paths.ts')
  const { socket } = resolvePaths({ P2PSYNC_HOME: home })
  t.ok(Buffer.byteLength(socket) <= 107)
  const { startServer } = await import('../../rpc/server.ts')
  const { EventRing } = await import('../../rpc/events.ts')
  const { silentLog } = await import('../../base/log.ts')
  const server = await startServer({ socketPath: socket, handlers: fakeHandlers(), events: new EventRing(), log: silentLog })
  t.teardown(() => server.close())
  t.is((await runHere(home, ['devices', '--json'])).code, 0)
})

test('events: one document a line until interrupted, exit 3 when the daemon stops', async (t) => {
  const fake = await startFake(t)
  const emit = setInterval(() => fake.events.emit({ type: 'folder-state', folder: FOLDER_ID, name: 'docs', state: 'idle', reason: null }), 20)
  t.teardown(() => clearInterval(emit))
  const interrupted = await runCli(fake.home, ['events', '--json'], {
    onOutput: (text, kill) => {
      if (text.split('\n').length > 3) kill('SIGINT')
    },
  })
  t.is(interrupted.code, 0)
  const first = JSON.parse(interrupted.stdout.split('\n')[0] ?? '') as Record<string, unknown>
  t.alike([first['schema'], first['type'], first['state']], [1, 'folder-state', 'idle'])
  const stopped = await runCli(fake.home, ['events'], { onOutput: () => void fake.close() })
  t.is(stopped.code, 3, stopped.stderr)
})

test('status --watch prints again only what changed, one document a line', async (t) => {
  let files = 1
  const { home } = await startFake(t, fakeHandlers({ 'status.get': async () => ({ ...status, folders: [{ ...folderStatus, files: files++ }] }) }))
  const ran = await runCli(home, ['status', '--watch', '--json'], {
    onOutput: (text, kill) => {
      if (text.split('\n').length > 2) kill('SIGTERM')
    },
  })
  t.is(ran.code, 0)
  const lines = ran.stdout.trim().split('\n').map((line) => (JSON.parse(line) as { folders: { files: number }[] }).folders[0]?.files)
  t.alike(lines.slice(0, 2), [1, 2])
})

test('every command has help with an example', async (t) => {
  const home = await t.tmp()
  const commands = ['add', 'remove', 'list', 'status', 'invite', 'join', 'devices', 'devices rename', 'devices address', 'pause', 'resume', 'scan', 'sync', 'conflicts', 'ignore', 'doctor', 'events', 'daemon', 'start', 'stop', 'restart', 'service', 'service install', 'config', 'config set', 'log', 'version', 'completion']
  for (const line of commands) {
    const ran = await runHere(home, [...line.split(' '), '--help'])
    t.is(ran.code, 0, line)
    t.ok(ran.stdout.includes(`Usage: p2psync ${line}`) && ran.stdout.includes('Example:'), line)
  }
  t.is((await runHere(home, ['--help'])).code, 0)
  t.is((await runHere(home, ['help', 'add'])).code, 0)
})

test('the command starts fast: version loads neither the daemon, nor the schema, nor a socket', async (t) => {
  const home = await t.tmp()
  const loaded = await runCli(home, ['version'], { env: { NODE_DEBUG: 'esm' } })
  t.is(loaded.code, 0)
  t.absent(/zod|json-rpc|hono|pino|corestore/.test(loaded.stderr))
  const started = performance.now()
  await runCli(home, ['version'])
  t.comment(`p2psync version: ${Math.round(performance.now() - started)} ms`)
})
