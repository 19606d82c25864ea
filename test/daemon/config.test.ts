/** config.json: defaults, refusals by name, the environment on top, atomic writes; and the list of folders. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import type { P2psyncError } from '../../base/errors.ts'
import { ConfigStore, parseHostPort } from '../../daemon/config.ts'
import { FolderRegistry } from '../../daemon/registry.ts'
import { parseFolderId } from '../../daemon/sync/ids.ts'

function failureOf(run: () => unknown): Pick<P2psyncError, 'code' | 'message'> {
  try {
    run()
  } catch (error) {
    return error as P2psyncError
  }
  throw new Error('it was accepted')
}

test('without a file every key has a default', async (t) => {
  const config = ConfigStore.load(join(await t.tmp(), 'none', 'config.json'), {})
  t.is(config.current.lan, 'on')
  t.is(config.current.bootstrap, 'public')
  t.is(config.current.listenPort, null)
  t.ok(config.current.deviceName.length > 0)
})

test('set writes only what was set, durably and privately, and null takes it back', async (t) => {
  const file = join(await t.tmp(), 'config', 'config.json')
  const config = ConfigStore.load(file, {})
  t.alike(config.set('listenPort', '4000'), { config: { listenPort: 4000 }, restart: true })
  t.alike(config.set('deviceName', 'nas'), { config: { deviceName: 'nas' }, restart: false })
  t.alike(config.set('bootstrap', 'a.example:1, [::1]:2').config, { bootstrap: ['a.example:1', '[::1]:2'] })
  t.alike(JSON.parse(readFileSync(file, 'utf8')), { listenPort: 4000, deviceName: 'nas', bootstrap: ['a.example:1', '[::1]:2'] })
  t.is(statSync(file).mode & 0o777, 0o600)
  t.alike(readdirSync(join(file, '..')), ['config.json'], 'no draft is left')
  config.set('listenPort', null)
  t.is(ConfigStore.load(file, {}).current.listenPort, null)
  t.is(ConfigStore.load(file, {}).current.deviceName, 'nas')
})

const REFUSED: readonly (readonly [key: string, value: string | number | boolean | string[], code: string, says: RegExp])[] = [
  ['colour', 'red', 'CONFIG_UNKNOWN_KEY', /"colour".*deviceName/],
  ['__proto__', 'x', 'CONFIG_UNKNOWN_KEY', /__proto__/],
  ['listenPort', 'many', 'CONFIG_INVALID', /listenPort/],
  ['listenPort', '65536', 'CONFIG_INVALID', /listenPort/],
  ['historyMaxDays', '-4', 'CONFIG_INVALID', /must be at least 1/],
  ['listenPort', true, 'CONFIG_INVALID', /listenPort/],
  ['deviceName', '', 'CONFIG_INVALID', /deviceName/],
  ['lan', 'eth0', 'CONFIG_INVALID', /on, off, or an IP address/],
  ['bootstrap', 'nowhere', 'CONFIG_INVALID', /HOST:PORT/],
  ['bootstrap', 'a:99999', 'CONFIG_INVALID', /HOST:PORT/],
  ['rescanIntervalSeconds', 1, 'CONFIG_INVALID', /rescanIntervalSeconds/],
  ['logLevel', 'loud', 'CONFIG_INVALID', /logLevel/],
]
for (const [key, value, code, says] of REFUSED) {
  test(`refused, and nothing changes: ${key}=${JSON.stringify(value)}`, async (t) => {
    const file = join(await t.tmp(), 'config.json')
    const config = ConfigStore.load(file, {})
    const failure = failureOf(() => config.set(key, value))
    t.is(failure.code, code)
    t.ok(says.test(failure.message), failure.message)
    t.absent(existsSync(file))
  })
}

test('a file with an unknown key, another type or no JSON is refused by name', async (t) => {
  const file = join(await t.tmp(), 'config.json')
  const rows: readonly (readonly [text: string, code: string, says: string])[] = [
    ['{"colour":1}', 'CONFIG_UNKNOWN_KEY', 'colour'],
    ['{"listenPort":"x"}', 'CONFIG_INVALID', 'listenPort'],
    ['[]', 'CONFIG_INVALID', file],
    ['{', 'CONFIG_INVALID', file],
  ]
  for (const [text, code, says] of rows) {
    writeFileSync(file, text)
    const failure = failureOf(() => ConfigStore.load(file, {}))
    t.is(failure.code, code, text)
    t.ok(failure.message.includes(says), failure.message)
  }
})

test('the environment stands above the file and is not written into it', async (t) => {
  const file = join(await t.tmp(), 'config.json')
  writeFileSync(file, '{"lan":"on","listenPort":1000}')
  const config = ConfigStore.load(file, { P2PSYNC_LAN: 'off', P2PSYNC_BOOTSTRAP: '127.0.0.1:1,127.0.0.1:2', P2PSYNC_LOG: 'debug', P2PSYNC_LISTEN: '' })
  t.is(config.current.lan, 'off')
  t.is(config.current.listenPort, 1000)
  t.is(config.current.logLevel, 'debug')
  t.alike(config.current.bootstrap, ['127.0.0.1:1', '127.0.0.1:2'])
  config.set('deviceName', 'nas')
  t.alike(JSON.parse(readFileSync(file, 'utf8')), { lan: 'on', listenPort: 1000, deviceName: 'nas' })
  t.is(failureOf(() => ConfigStore.load(file, { P2PSYNC_LISTEN: 'x' })).message.startsWith('P2PSYNC_LISTEN:'), true)
})

test('a file that cannot be written is a sentence, and the old values stay', async (t) => {
  const directory = await t.tmp()
  const file = join(directory, 'config.json')
  const config = ConfigStore.load(file, {})
  mkdirSync(file)
  t.is(failureOf(() => config.set('deviceName', 'nas')).code, 'PATH_DENIED')
  t.not(config.current.deviceName, 'nas')
  t.alike(readdirSync(directory), ['config.json'], 'no draft is left')
})

test('host and port apart', (t) => {
  t.alike(parseHostPort('node.example:49737'), { host: 'node.example', port: 49737 })
  t.alike(parseHostPort('[::1]:80'), { host: '::1', port: 80 })
})

function id(digit: string) {
  const parsed = parseFolderId(digit.repeat(64))
  if (parsed === null) throw new Error('not an id')
  return parsed
}

test('the registry keeps folders in order, over restarts', async (t) => {
  const file = join(await t.tmp(), 'state', 'folders.json')
  const registry = FolderRegistry.load(file)
  t.alike(registry.list(), [])
  registry.add(id('a'), '/x')
  registry.add(id('b'), '/y')
  registry.setPaused(id('a'), true)
  registry.rebind(id('b'), id('c'))
  const again = FolderRegistry.load(file)
  t.alike(again.list(), [
    { id: id('a'), path: '/x', paused: true },
    { id: id('c'), path: '/y', paused: false },
  ])
  again.remove(id('a'))
  again.remove(id('a'))
  t.is(again.get(id('a')), null)
  t.is(FolderRegistry.load(file).list().length, 1)
  t.is(statSync(file).mode & 0o777, 0o600)
})

test('a damaged registry is refused and never overwritten', async (t) => {
  const file = join(await t.tmp(), 'folders.json')
  for (const text of ['{', '{"version":2,"folders":[]}', '{"version":1,"folders":[{"id":"x","path":"/x","paused":false}]}', '']) {
    writeFileSync(file, text)
    const failure = failureOf(() => FolderRegistry.load(file))
    t.is(failure.code, 'STORE_DAMAGED')
    t.ok(failure.message.includes(file))
    t.is(readFileSync(file, 'utf8'), text)
  }
})
