/** Where things lie, and what the log writes. */
import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import test from 'brittle'
import { createLog, parseLevel } from '../../base/log.ts'
import { readableLine } from '../../base/log-text.ts'
import { MAX_SOCKET_PATH_BYTES, resolvePaths } from '../../base/paths.ts'

test('P2PSYNC_HOME holds everything of one daemon', (t) => {
  const paths = resolvePaths({ P2PSYNC_HOME: '/h' })
  t.is(paths.configFile, '/h/config.json')
  t.is(paths.stateDir, '/h/state')
  t.is(paths.socket, '/h/p2psync.sock')
  t.is(resolvePaths({ P2PSYNC_HOME: 'rel' }).configFile, join(process.cwd(), 'rel', 'config.json'))
})

test('without it, the XDG directories; relative ones do not count', (t) => {
  const paths = resolvePaths({ XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: '/s', XDG_RUNTIME_DIR: '/r' })
  t.alike([paths.configFile, paths.stateDir, paths.socket], ['/c/p2psync/config.json', '/s/p2psync', '/r/p2psync/p2psync.sock'])
  const plain = resolvePaths({ XDG_CONFIG_HOME: 'c', XDG_STATE_HOME: '' })
  t.is(plain.configFile, join(homedir(), '.config', 'p2psync', 'config.json'))
  t.is(plain.stateDir, join(homedir(), '.local', 'state', 'p2psync'))
})

test('a system service has directories of its own', (t) => {
  const paths = resolvePaths({ P2PSYNC_SERVICE: 'system' })
  t.ok(/^\/etc\/p2psync\/[^/]+\/config\.json$/.test(paths.configFile))
  t.ok(/^\/var\/lib\/p2psync\/[^/]+$/.test(paths.stateDir))
  t.ok(/^\/run\/p2psync\/[^/]+\/p2psync\.sock$/.test(paths.socket))
})

test('a socket path at the limit stays, a longer one moves to a short one that depends on it', (t) => {
  const fits = `/${'x'.repeat(MAX_SOCKET_PATH_BYTES - '//p2psync.sock'.length)}`
  t.is(resolvePaths({ P2PSYNC_HOME: fits }).socket, `${fits}/p2psync.sock`)
  const a = resolvePaths({ P2PSYNC_HOME: `${fits}a` }).socket
  const b = resolvePaths({ P2PSYNC_HOME: `${fits}b` }).socket
  t.ok(Buffer.byteLength(a) <= MAX_SOCKET_PATH_BYTES && a !== b)
  t.is(resolvePaths({ P2PSYNC_HOME: `${fits}a` }).socket, a)
  t.ok(Buffer.byteLength(resolvePaths({ P2PSYNC_HOME: `/${'ü'.repeat(60)}` }).socket) <= MAX_SOCKET_PATH_BYTES, 'bytes count, not characters')
})

test('the log writes lines of JSON with fields of its parents, at its level, which all share', async (t) => {
  const file = join(await t.tmp(), 'state', 'x.log')
  const log = createLog({ level: 'info', file })
  const child = log.child({ part: 'net' })
  child.debug({}, 'hidden')
  log.level = 'debug'
  child.debug({ peer: 'evil\n{"level":50}' }, 'shown')
  child.error({ error: new Error('broke', { cause: new Error('why') }) }, 'failed')
  log.close()
  log.info({}, 'after close: nothing, and no throw')
  const lines = readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  t.alike(lines.map((line) => [line['msg'], line['part']]), [['shown', 'net'], ['failed', 'net']])
  t.is((lines[1]?.['error'] as { cause?: string } | undefined)?.cause, 'why')
  t.is(statSync(file).mode & 0o777, 0o600)
})

test('the log file is bounded', async (t) => {
  const file = join(await t.tmp(), 'x.log')
  const log = createLog({ file, maxBytes: 1000 })
  for (let i = 0; i < 100; i++) log.info({ i }, 'x'.repeat(50))
  log.close()
  t.ok(statSync(file).size <= 1200 && statSync(`${file}.1`).size <= 1200)
  t.ok(readFileSync(file, 'utf8').includes('"i":99'))
})

test('levels and readable lines', (t) => {
  t.is(parseLevel('warn'), 'warn')
  t.is(parseLevel('loud'), null)
  t.is(readableLine('{"level":40,"time":"2024-01-02T03:04:05.000Z","name":"a\\u001b[2J","msg":"hi"}'), '03:04:05 warn  hi  name="a\\u001b[2J"')
  t.is(readableLine('plain'), 'plain')
})
