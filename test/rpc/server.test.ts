/** The server on a real Unix socket with fake handlers: JSON-RPC, REST, limits, the socket itself, closing. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'brittle'
import type { P2psyncError } from '../../base/errors.ts'
import { silentLog } from '../../base/log.ts'
import { createClient } from '../../rpc/client.ts'
import { EventRing } from '../../rpc/events.ts'
import { startServer } from '../../rpc/server.ts'
import { fakeHandlers, FOLDER_ID, refusing, startFake, status, untilAborted } from './fake-daemon.ts'
import { http, rpc } from './http.ts'

interface ErrorBody {
  readonly id?: unknown
  readonly error: { readonly code: number | string; readonly message: string; readonly data?: { readonly code: string } }
}

function errorOf(json: unknown): ErrorBody['error'] {
  return (json as ErrorBody).error
}

test('a call answers with its result and its id', async (t) => {
  const { socket } = await startFake(t)
  const answer = await rpc(socket, 'status.get', {}, 'x')
  t.is(answer.status, 200)
  t.alike(answer.json, { jsonrpc: '2.0', id: 'x', result: status })
})

test('malformed JSON is a parse error', async (t) => {
  const { socket } = await startFake(t)
  const answer = await http(socket, 'POST', '/rpc', '{"jsonrpc": "2.0", "method"')
  t.is(answer.status, 400)
  t.is(errorOf(answer.json).code, -32700)
  t.is((answer.json as ErrorBody).id, null)
})

const INVALID: readonly unknown[] = [null, 1, 'x', {}, { jsonrpc: '1.0', method: 'status.get', id: 1 }, { jsonrpc: '2.0', id: 1 }, { jsonrpc: '2.0', method: 5, id: 1 }, { jsonrpc: '2.0', method: 'status.get', params: 'x', id: 1 }, { jsonrpc: '2.0', method: 'status.get', id: {} }, []]
for (const body of INVALID) {
  test(`not a request: ${JSON.stringify(body)}`, async (t) => {
    const { socket } = await startFake(t)
    const answer = await http(socket, 'POST', '/rpc', JSON.stringify(body))
    t.is(answer.status, 400)
    t.is(errorOf(answer.json).code, -32600)
    t.is(errorOf(answer.json).data?.code, 'USAGE')
  })
}

test('the names of INTERFACE.md are methods', async (t) => {
  const { socket } = await startFake(t)
  t.alike((await rpc(socket, 'folders.status', {})).json, (await rpc(socket, 'status.get', {})).json)
  t.alike((await rpc(socket, 'devices.invite', {})).json, (await rpc(socket, 'invites.create', {})).json)
})

test('an unknown method is named', async (t) => {
  const { socket } = await startFake(t)
  for (const method of ['folders.explode', 'toString', '__proto__', 'constructor']) {
    const answer = await rpc(socket, method, {})
    t.is(answer.status, 404)
    t.is(errorOf(answer.json).code, -32601)
    t.ok(errorOf(answer.json).message.includes(method))
  }
})

const WRONG: readonly (readonly [method: string, params: unknown, says: RegExp])[] = [
  ['status.get', { foldr: 'docs' }, /unknown field "foldr"/],
  ['status.get', { folder: 5 }, /folder: must be text/],
  ['status.get', ['docs'], /must be an object/],
  ['folders.add', {}, /path is missing/],
  ['folders.add', { path: 'relative' }, /path.*absolute/],
  ['folders.add', { path: '/x', join: 'a', new: true }, /either join or new/],
  ['folders.sync', { timeoutMs: 0 }, /timeoutMs: must be at least 1/],
  ['folders.sync', { timeoutMs: 1.5 }, /timeoutMs/],
  ['folders.restore', { path: '/x', version: 'a' }, /version: must be the id of a version, .* as "p2psync history PATH" lists it/],
  ['folders.add', { path: '/x', name: '' }, /name: must not be empty/],
  ['folders.add', { path: '/x', name: 'a/b' }, /name: .*slash/],
  ['devices.address', { device: 'nas', address: 'nowhere' }, /HOST:PORT/],
  ['folders.ignore', { folder: 'docs', add: ['a\nb'] }, /one line/],
  ['log.level', { level: 'loud' }, /^level: must be error, warn, info or debug$/],
]
for (const [method, params, says] of WRONG) {
  test(`wrong parameters get 4xx and a sentence: ${method} ${JSON.stringify(params)}`, async (t) => {
    const { socket } = await startFake(t)
    const answer = await rpc(socket, method, params)
    t.is(answer.status, 400)
    t.is(errorOf(answer.json).code, -32602)
    t.is(errorOf(answer.json).data?.code, 'USAGE')
    t.ok(says.test(errorOf(answer.json).message), errorOf(answer.json).message)
  })
}

test('a field called __proto__ is an unknown field', async (t) => {
  const { socket } = await startFake(t)
  const answer = await http(socket, 'POST', '/rpc', '{"jsonrpc":"2.0","id":1,"method":"status.get","params":{"__proto__":{"folder":"docs"}}}')
  t.is(errorOf(answer.json).code, -32602)
})

test('an error of the daemon keeps its code and sentence', async (t) => {
  const { socket } = await startFake(t)
  const answer = await rpc(socket, 'status.get', { folder: 'nope' })
  t.is(answer.status, 200)
  t.is(errorOf(answer.json).code, -32000)
  t.is(errorOf(answer.json).data?.code, 'FOLDER_UNKNOWN')
})

test('a bug in a handler tells nothing of itself', async (t) => {
  const { socket } = await startFake(t, fakeHandlers({ 'devices.list': async () => Promise.reject(new TypeError('secret of /home/ana')) }))
  const answer = await rpc(socket, 'devices.list')
  t.is(errorOf(answer.json).code, -32603)
  t.is(errorOf(answer.json).data?.code, 'INTERNAL')
  t.absent(answer.text.includes('secret'))
})

test('a result that breaks the contract is caught in tests', async (t) => {
  const { socket } = await startFake(t, fakeHandlers({ 'daemon.stop': async () => ({ pid: 'x' }) as never }))
  const answer = await rpc(socket, 'daemon.stop')
  t.is(errorOf(answer.json).data?.code, 'INTERNAL')
})

test('a batch answers calls, not notifications, and always as a list', async (t) => {
  const { socket } = await startFake(t)
  const call = { jsonrpc: '2.0', id: 1, method: 'devices.list' }
  const notification = { jsonrpc: '2.0', method: 'devices.list' }
  const mixed = await http(socket, 'POST', '/rpc', [call, notification, 5, { ...call, id: 2, method: 'nope' }])
  t.is(mixed.status, 200)
  const answers = mixed.json as { id: unknown; error?: { code: number } }[]
  t.alike(answers.map((answer) => [answer.id, answer.error?.code]), [[1, undefined], [null, -32600], [2, -32601]])
  const single = await http(socket, 'POST', '/rpc', [call])
  t.is((single.json as unknown[]).length, 1)
  const silent = await http(socket, 'POST', '/rpc', [notification])
  t.is(silent.status, 204)
  t.is(silent.text, '')
  const unknown = await http(socket, 'POST', '/rpc', { jsonrpc: '2.0', method: 'nope' })
  t.is(unknown.status, 204)
})

test('a batch is bounded', async (t) => {
  const { socket } = await startFake(t)
  const answer = await http(socket, 'POST', '/rpc', Array.from({ length: 101 }, () => ({ jsonrpc: '2.0', id: 1, method: 'devices.list' })))
  t.is(answer.status, 400)
  t.is(errorOf(answer.json).code, -32600)
})

test('a body over 1 MiB is refused, on both ways', async (t) => {
  const { socket } = await startFake(t)
  for (const path of ['/rpc', '/v1/folders']) {
    const answer = await http(socket, 'POST', path, `"${'x'.repeat(1024 * 1024)}"`)
    t.is(answer.status, 413)
    t.ok(errorOf(answer.json).message.includes('1048576'))
  }
  t.is((await rpc(socket, 'devices.list')).status, 200, 'the server goes on')
})

test('a body over 1 MiB is refused after it was sent, however slowly', async (t) => {
  const { socket } = await startFake(t)
  for (const length of [`content-length: ${2 << 20}`, 'transfer-encoding: chunked']) {
    const connection = connect(socket)
    t.teardown(() => connection.destroy())
    const failed: unknown[] = []
    connection.on('error', (error) => failed.push(error))
    let answer = ''
    connection.setEncoding('utf8').on('data', (text: string) => (answer += text))
    const send = (text: string): Promise<void> => new Promise((resolve) => connection.write(length.startsWith('c') ? text : `${text.length.toString(16)}\r\n${text}\r\n`, () => resolve()))
    connection.write(`POST /rpc HTTP/1.1\r\nhost: localhost\r\n${length}\r\n\r\n`)
    await send('x'.repeat(1 << 20))
    await send('y')
    // Longer than an HTTP library waits for a body that nobody wants: what a busy machine does to a client.
    await new Promise((resolve) => setTimeout(resolve, 700))
    t.is(answer, '', `${length}: nothing is said before all is sent`)
    await send('z'.repeat((1 << 20) - 1))
    if (!length.startsWith('c')) connection.write('0\r\n\r\n')
    await once(connection, 'data')
    t.ok(answer.startsWith('HTTP/1.1 413 '), answer)
    t.alike(failed, [])
  }
})

test('REST gives what JSON-RPC gives', async (t) => {
  const { socket } = await startFake(t)
  const rows: readonly (readonly [verb: string, path: string, body: unknown, method: string, params: object])[] = [
    ['GET', '/v1/status', undefined, 'status.get', {}],
    ['GET', '/v1/status?folder=docs', undefined, 'status.get', { folder: 'docs' }],
    ['GET', '/v1/folders', undefined, 'folders.list', {}],
    ['GET', '/v1/folders?keys=true', undefined, 'folders.list', { keys: true }],
    ['POST', '/v1/folders', { path: '/home/ana/Pics' }, 'folders.add', { path: '/home/ana/Pics' }],
    ['DELETE', `/v1/folders/${FOLDER_ID}`, undefined, 'folders.remove', { folder: FOLDER_ID }],
    ['PATCH', `/v1/folders/${FOLDER_ID}`, { paused: true }, 'folders.pause', { folder: FOLDER_ID }],
    ['PATCH', `/v1/folders/${FOLDER_ID}`, { paused: false }, 'folders.resume', { folder: FOLDER_ID }],
    ['POST', '/v1/folders/docs/scan', undefined, 'folders.scan', { folder: 'docs' }],
    ['POST', '/v1/folders/docs/sync', { timeoutMs: 5 }, 'folders.sync', { folder: 'docs', timeoutMs: 5 }],
    ['GET', '/v1/folders/docs/conflicts', undefined, 'folders.conflicts', { folder: 'docs' }],
    ['POST', '/v1/folders/docs/ignore', { add: ['x'] }, 'folders.ignore', { folder: 'docs', add: ['x'] }],
    ['GET', '/v1/ignored?path=%2Fhome%2Fana%2FDocs%2Fa.tmp', undefined, 'folders.ignored', { path: '/home/ana/Docs/a.tmp' }],
    ['GET', '/v1/devices', undefined, 'devices.list', {}],
    ['PATCH', '/v1/devices/nas', { name: 'box' }, 'devices.rename', { device: 'nas', name: 'box' }],
    ['PUT', '/v1/devices/nas/address', { address: '10.0.0.1:80' }, 'devices.address', { device: 'nas', address: '10.0.0.1:80' }],
    ['POST', '/v1/invites', { expiresMs: 1000 }, 'invites.create', { expiresMs: 1000 }],
    ['POST', '/v1/join', { code: 'x' }, 'invites.join', { code: 'x' }],
    ['PUT', '/v1/config/deviceName', { value: 'x' }, 'config.set', { key: 'deviceName', value: 'x' }],
  ]
  for (const [verb, path, body, method, params] of rows) {
    const rest = await http(socket, verb, path, body)
    const call = await rpc(socket, method, params)
    t.ok(rest.status === 200 || rest.status === 201, `${verb} ${path}: ${rest.status}`)
    t.alike(rest.json, (call.json as { result: unknown }).result, `${verb} ${path}`)
  }
  const one = await http(socket, 'GET', '/v1/folders/docs')
  t.alike(one.json, status.folders[0])
})

test('REST refuses with the status of the code and a sentence', async (t) => {
  const { socket } = await startFake(t, fakeHandlers(refusing('invites.join', 'INVITE_EXPIRED')))
  const rows: readonly (readonly [verb: string, path: string, body: unknown, status: number, code: string])[] = [
    ['GET', '/v1/folders/nope', undefined, 404, 'FOLDER_UNKNOWN'],
    ['GET', '/v1/status?foldr=docs', undefined, 400, 'USAGE'],
    ['POST', '/v1/folders', '{"path"', 400, 'USAGE'],
    ['POST', '/v1/folders', [], 400, 'USAGE'],
    ['POST', '/v1/folders', { path: '/x', colour: 'red' }, 400, 'USAGE'],
    ['PATCH', '/v1/folders/docs', { paused: 'yes' }, 400, 'USAGE'],
    ['PATCH', '/v1/folders/docs', { paused: true, more: 1 }, 400, 'USAGE'],
    ['POST', '/v1/join', { code: 'x' }, 410, 'INVITE_EXPIRED'],
    ['GET', '/v1/nothing', undefined, 404, 'USAGE'],
    ['POST', '/v1/status', undefined, 404, 'USAGE'],
    ['GET', '/v1/folders/%ff', undefined, 404, 'FOLDER_UNKNOWN'],
    ['POST', '/v1/folders/docs/scan?deep=true', undefined, 400, 'USAGE'],
    ['POST', '/v1/folders/docs/sync?timeoutMs=5', {}, 400, 'USAGE'],
    ['POST', '/v1/folders/docs/scan', { folder: 'other' }, 400, 'USAGE'],
    ['DELETE', '/v1/folders/docs?keep=true', undefined, 400, 'USAGE'],
    ['PATCH', '/v1/folders/docs?paused=true', { paused: true }, 400, 'USAGE'],
    ['PUT', '/v1/log?level=debug', { level: 'info' }, 400, 'USAGE'],
    ['GET', '/v1/folders/docs?folder=other', undefined, 400, 'USAGE'],
    ['GET', '/v1/status?folder=docs&folder=other', undefined, 400, 'USAGE'],
    ['GET', '/v1/events?after=x', undefined, 400, 'USAGE'],
  ]
  for (const [verb, path, body, expected, code] of rows) {
    const answer = await http(socket, verb, path, body)
    t.is(answer.status, expected, `${verb} ${path}`)
    t.is(errorOf(answer.json).code, code)
    t.ok(errorOf(answer.json).message.length > 5)
  }
})

test('REST: a field that would be ignored is named: in the query of a POST, or a second time besides the path', async (t) => {
  const scanned: unknown[] = []
  const { socket } = await startFake(t, fakeHandlers({ 'folders.scan': async (params) => (scanned.push(params), { folders: [] }) }))
  const inQuery = await http(socket, 'POST', '/v1/folders/docs/scan?deep=true&x')
  t.is(errorOf(inQuery.json).message, 'unknown field "deep", "x" in the query; the fields of a POST stand in its body')
  const twice = await http(socket, 'POST', '/v1/folders/docs/scan', { folder: 'other' })
  t.is(errorOf(twice.json).message, 'unknown field "folder"; it stands in the path')
  t.alike(scanned, [], 'nothing was done')
  t.is((await http(socket, 'POST', '/v1/folders/docs/scan?')).status, 200, 'an empty query is none')
})

test('healthz, metrics and the OpenAPI document', async (t) => {
  const { socket } = await startFake(t)
  t.alike(((await http(socket, 'GET', '/healthz')).json as { ok: boolean }).ok, true)
  const metrics = await http(socket, 'GET', '/metrics')
  t.ok(metrics.headers['content-type']?.startsWith('text/plain'))
  t.ok(metrics.text.includes(`p2psync_folder_files{id="${FOLDER_ID}",name="docs"} 1234\n`))
  const document = (await http(socket, 'GET', '/v1/openapi.json')).json as { openapi: string; paths: Record<string, Record<string, unknown>> }
  t.is(document.openapi, '3.1.0')
  for (const path of ['/rpc', '/v1/folders', '/v1/folders/{folder}', '/v1/folders/{folder}/scan', '/v1/devices', '/v1/invites', '/v1/status', '/v1/events']) t.ok(document.paths[path], path)
  t.ok(JSON.stringify(document.paths['/v1/folders']?.['post']).includes('"path"'))
})

test('the socket is 0600 in a 0700 directory', async (t) => {
  const home = join(await t.tmp(), 'home')
  mkdirSync(home, { mode: 0o755 })
  chmodSync(home, 0o755)
  const { socket } = await startFake(t, fakeHandlers(), home)
  t.is(statSync(socket).mode & 0o777, 0o600)
  t.is(statSync(home).mode & 0o777, 0o700)
})

test('a socket that a dead daemon left is taken over, a live one is not', async (t) => {
  const home = await t.tmp()
  const socket = join(home, 'p2psync.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`
  await once(spawn(process.execPath, ['-e', script]), 'exit')
  t.ok(statSync(socket).isSocket(), 'left behind')
  const fake = await startFake(t, fakeHandlers(), home)
  const error = await startServer({ socketPath: fake.socket, handlers: fakeHandlers(), events: new EventRing(), log: silentLog }).catch((failure: P2psyncError) => failure)
  t.is((error as P2psyncError).code, 'ALREADY_RUNNING')
  t.is((await rpc(socket, 'devices.list')).status, 200, 'the first one still answers')
})

test('a file in the place of the socket is left alone', async (t) => {
  const home = await t.tmp()
  const socket = join(home, 'p2psync.sock')
  writeFileSync(socket, 'mine')
  const error = await startServer({ socketPath: socket, handlers: fakeHandlers(), events: new EventRing(), log: silentLog }).catch((failure: P2psyncError) => failure)
  t.is((error as P2psyncError).code, 'PATH_RESERVED')
  t.is(readFileSync(socket, 'utf8'), 'mine')
})

test('a socket path that the system cannot hold is a clear error', async (t) => {
  const socket = join(await t.tmp(), 'x'.repeat(108))
  const error = await startServer({ socketPath: socket, handlers: fakeHandlers(), events: new EventRing(), log: silentLog }).catch((failure: P2psyncError) => failure)
  t.is((error as P2psyncError).code, 'SOCKET_PATH_TOO_LONG')
})

test('close ends calls and streams within its time, and removes the socket', async (t) => {
  const fake = await startFake(t, fakeHandlers({ 'folders.sync': async (_, context) => untilAborted(context) }))
  const client = createClient(fake.socket)
  const call = client.call('folders.sync').catch((error: P2psyncError) => error.code)
  const stream = client.events()
  const next = stream.next()
  await client.call('devices.list')
  const started = Date.now()
  await fake.close()
  t.ok(Date.now() - started < 30_000)
  t.is(await call, 'TIMEOUT', 'the handler was told and its answer still went out')
  t.is((await next).done, true)
  t.is(await client.call('devices.list').catch((error: P2psyncError) => error.code), 'NOT_RUNNING')
})

test('a handler that never ends does not keep the server from closing', async (t) => {
  const fake = await startFake(t, fakeHandlers({ 'folders.sync': () => new Promise(() => undefined) }))
  const call = createClient(fake.socket).call('folders.sync').catch((error: P2psyncError) => error.code)
  await rpc(fake.socket, 'devices.list')
  await fake.close()
  t.is(await call, 'NOT_RUNNING')
})

test('a caller that goes aborts its call', async (t) => {
  let aborted: () => void = () => undefined
  const seen = new Promise<void>((resolve) => (aborted = resolve))
  let begun: () => void = () => undefined
  const started = new Promise<void>((resolve) => (begun = resolve))
  const { socket } = await startFake(t, fakeHandlers({
    'folders.sync': (_, context) => {
      begun()
      return untilAborted(context).finally(aborted)
    },
  }))
  const gone = new AbortController()
  const call = createClient(socket).call('folders.sync', {}, { signal: gone.signal }).catch(() => 'gone')
  await started
  gone.abort()
  t.is(await call, 'gone')
  await seen
  t.pass('the handler was told')
})

test('the client says when nobody answers, when it is no daemon, and when the version differs', async (t) => {
  const directory = await t.tmp()
  t.is(await createClient(join(directory, 'none.sock')).call('devices.list').catch((error: P2psyncError) => error.code), 'NOT_RUNNING')
  const socket = join(directory, 'other.sock')
  const other = createServer((connection) => connection.end('SSH-2.0-x\r\n'))
  await new Promise<void>((resolve) => other.listen(socket, resolve))
  t.teardown(() => other.close())
  t.is(await createClient(socket).call('devices.list').catch((error: P2psyncError) => error.code), 'NOT_RUNNING')
  const fake = await startFake(t)
  const heard: string[] = []
  const client = createClient({ socketPath: fake.socket, version: '9.9.9', onVersionMismatch: (theirs) => heard.push(theirs) })
  await client.call('devices.list')
  await client.call('devices.list')
  t.is(heard.length, 1, 'once')
})

test('errors come back to the client with their codes', async (t) => {
  const { socket } = await startFake(t, fakeHandlers(refusing('folders.add', 'FOLDER_OVERLAP', 'it lies in another')))
  const client = createClient(socket)
  const error = (await client.call('folders.add', { path: '/x' }).catch((failure: unknown) => failure)) as P2psyncError
  t.is(error.code, 'FOLDER_OVERLAP')
  t.is(error.message, 'it lies in another')
  const large = (await client.call('folders.add', { path: `/${'x'.repeat(1024 * 1024)}` }).catch((failure: unknown) => failure)) as P2psyncError
  t.is(large.code, 'USAGE')
})

