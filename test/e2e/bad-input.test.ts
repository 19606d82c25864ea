/** What a user can do wrong: a clear sentence, the documented code, nothing changed. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { createWorld, daemonMain, Device, type CliResult } from './harness.ts'
import { waitFor } from './tree.ts'

async function oneDevice(t: Assert): Promise<Device> {
  const device = new Device(t, await createWorld(t), 'a')
  await device.start()
  return device
}

/** Exit code and error code as documented, one sentence, no stack. */
function refused(t: Assert, result: CliResult, exit: number, code: string): void {
  const error = (result.json as { schema?: number; error?: { code: string; message: string } } | undefined)?.error
  t.is(result.code, exit, `exit ${exit}: ${result.stderr}`)
  t.is(error?.code, code, error?.message ?? 'no error document')
  t.absent(/\n\s+at /.test(result.stderr), 'no stack')
}

test('add refuses what is not a folder to watch', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  refused(t, await a.cli('add', a.beside('missing/parent'), '--json'), 1, 'PATH_MISSING')
  t.absent(existsSync(a.beside('missing')))
  await writeFile(a.beside('file'), 'text')
  refused(t, await a.cli('add', a.beside('file'), '--json'), 1, 'PATH_NOT_DIRECTORY')
  refused(t, await a.cli('add', a.beside('file/below'), '--json'), 1, 'PATH_NOT_DIRECTORY')
  refused(t, await a.cli('add', a.beside(), '--json'), 1, 'PATH_RESERVED')
  refused(t, await a.cli('add', join(a.home, 'state'), '--json'), 1, 'PATH_RESERVED')
  t.is((await a.call('folders.list', {})).folders.length, 0, 'nothing was added')
})

test('a folder inside another, or around one, is refused', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  await mkdir(a.beside('outer/docs/inner'), { recursive: true })
  t.is((await a.cli('add', a.beside('outer/docs'), '--json')).code, 0)
  refused(t, await a.cli('add', a.beside('outer/docs/inner'), '--json'), 1, 'FOLDER_OVERLAP')
  refused(t, await a.cli('add', a.beside('outer'), '--json'), 1, 'FOLDER_OVERLAP')
  refused(t, await a.cli('add', a.beside('outer/docs/new'), '--json'), 1, 'FOLDER_OVERLAP')
  refused(t, await a.cli('add', join(a.home, 'state', 'new'), '--json'), 1, 'PATH_RESERVED')
  refused(t, await a.cli('add', a.beside('other'), '--join', 'nothing', '--json'), 1, 'FOLDER_UNKNOWN')
  for (const path of [a.beside('outer/docs/new'), join(a.home, 'state', 'new'), a.beside('other')]) t.absent(existsSync(path), `${path} was not made`)
  t.is((await a.call('folders.list', {})).folders.length, 1)
})

test('the last component of a folder is made', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  const added = await a.cli('add', a.beside('new-folder'), '--json')
  t.is(added.code, 0, added.stderr)
  t.ok(existsSync(a.beside('new-folder')))
  const { folder } = added.json as { schema: number; folder: Record<string, string> }
  t.is(folder['name'], 'new-folder')
  t.is(folder['path'], a.beside('new-folder'))
})

test('codes that are no codes, unknown folders, unknown commands', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  refused(t, await a.cli('join', 'not-a-code', '--json'), 1, 'INVITE_INVALID')
  refused(t, await a.cli('remove', 'nothing', '--json'), 1, 'FOLDER_UNKNOWN')
  refused(t, await a.cli('status', 'nothing', '--json'), 1, 'FOLDER_UNKNOWN')
  refused(t, await a.cli('sync', 'nothing', '--json'), 1, 'FOLDER_UNKNOWN')
  t.is((await a.cli('no-such-command')).code, 2)
  t.is((await a.cli('add')).code, 2)
  t.is((await a.cli('list', '--no-such-option')).code, 2)
})

test('a symlink in the place of .p2psyncignore, which another device may have put there, leads nowhere', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  await a.add()
  const outside = a.beside('outside')
  writeFileSync(outside, 'secret\n')
  symlinkSync(outside, a.path('.p2psyncignore'))
  for (const args of [['ignore', 'docs', '*.tmp'], ['ignore', 'docs']]) {
    const ran = await a.cli(...args)
    t.is(ran.code, 1, args.join(' '))
    t.absent(`${ran.stdout}${ran.stderr}`.includes('secret'))
  }
  rmSync(outside)
  t.is((await a.cli('ignore', 'docs', '*.tmp')).code, 1)
  t.absent(existsSync(outside), 'nothing is made there')
  rmSync(a.path('.p2psyncignore'))
  t.is((await a.cli('ignore', 'docs', '*.tmp')).code, 0)
  t.is(readFileSync(a.path('.p2psyncignore'), 'utf8'), '*.tmp\n')
  // What is added counts: a larger one would not be read.
  const large = `#${'x'.repeat(1024 * 1024 - 8)}\n`
  writeFileSync(a.path('.p2psyncignore'), large)
  t.is((await a.cli('ignore', 'docs', 'longer')).code, 1)
  t.is(readFileSync(a.path('.p2psyncignore'), 'utf8'), large, 'nothing is written')
  t.is((await a.cli('ignore', 'docs', '*.a')).code, 0)
  t.is(readFileSync(a.path('.p2psyncignore'), 'utf8'), `${large}*.a\n`)
})

test('a pattern that would ignore nothing is refused, and nothing is written; one that stands in the file is told', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  await a.add()
  for (const pattern of ['*a*b*c*d*e', '/**/c/**/c/**/c/d']) {
    refused(t, await a.cli('ignore', 'docs', 'fine.txt', pattern, '--json'), 2, 'USAGE')
    const text = await a.cli('ignore', 'docs', pattern)
    t.ok(text.stderr.includes(pattern) && /more than (two \*\*|four \*)/.test(text.stderr), text.stderr)
  }
  t.absent(existsSync(a.path('.p2psyncignore')), 'nothing was written')
  t.is((await a.cli('ignore', 'docs', '\\*a\\*b\\*c\\*d\\*e')).code, 0, 'an escaped star is none')
  t.is((await a.request('POST', '/v1/folders/docs/ignore', JSON.stringify({ add: ['*a*b*c*d*e'] }))).status, 400)

  await a.write('.p2psyncignore', '*.tmp\n*a*b*c*d*e\n')
  const shown = await a.cli('ignore', 'docs')
  t.is(shown.stdout, '*.tmp\n*a*b*c*d*e\n')
  t.ok(shown.stderr.startsWith('.p2psyncignore: line 2, *a*b*c*d*e, ignores nothing: it has more than four * in one name'), shown.stderr)
  const problem = await waitFor('status says it', async () => (await a.call('status.get', {})).folders[0]?.problems[0])
  t.alike([problem.path, problem.code], ['.p2psyncignore', 'pattern-unused'])
  await a.write('.p2psyncignore', '*.tmp\n')
  await waitFor('the problem is gone', async () => (await a.call('status.get', {})).folders[0]?.problems.length === 0)
})

test('without a daemon, and told not to start one, a command exits 3', { timeout: 280_000 }, async (t) => {
  const a = new Device(t, await createWorld(t), 'a')
  refused(t, await a.cli('status', '--json'), 3, 'NOT_RUNNING')
})

test('a second daemon on one home is refused in a sentence', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  const second = await run(a.environment())
  t.not(second.code, 0)
  t.ok(/already|another/i.test(second.output), second.output)
  t.absent(/\n\s+at /.test(second.output), 'no stack')
  t.is((await a.call('daemon.status', {})).pid, a.pid, 'the first one still answers')
})

test('a folder that another home owns is refused', { timeout: 280_000 }, async (t) => {
  const world = await createWorld(t)
  const a = new Device(t, world, 'a')
  const b = new Device(t, world, 'b')
  await Promise.all([a.start(), b.start()])
  await a.add()
  refused(t, await b.cli('add', a.path(), '--json'), 1, 'FOLDER_OWNED')
})

test('in a test, a daemon without its own network settings refuses to start', { timeout: 280_000 }, async (t) => {
  const a = new Device(t, await createWorld(t), 'a')
  await mkdir(a.home, { recursive: true })
  for (const missing of ['P2PSYNC_BOOTSTRAP', 'P2PSYNC_LAN']) {
    const { [missing]: _, ...environment } = a.environment()
    const ended = await run(environment)
    t.not(ended.code, 0)
    t.ok(ended.output.includes(missing), ended.output)
  }
})

test('bad requests get an answer that says so', { timeout: 280_000 }, async (t) => {
  const a = await oneDevice(t)
  t.is((await a.request('POST', '/rpc', '{not json')).body.error?.code, -32700)
  t.is((await a.request('POST', '/rpc', '{"jsonrpc":"2.0","id":1,"method":"no.such"}')).body.error?.code, -32601)
  t.is((await a.request('POST', '/rpc', '{"jsonrpc":"2.0","id":1,"method":"status.get","params":{"extra":1}}')).body.error?.code, -32602)
  t.is((await a.request('GET', '/no/such/route')).status, 404)
  const large = await a.request('POST', '/rpc', JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'status.get', params: { folder: 'x'.repeat(1 << 20) } }))
  t.is(large.status, 413)
  t.is((await a.request('GET', '/healthz')).status, 200, 'and it still answers')
})

function run(environment: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [daemonMain], { env: environment, stdio: ['ignore', 'pipe', 'pipe'], timeout: 280_000 })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
