/** The units pass systemd's own check, as shipped and as `service install` writes them; without systemd there is a sentence. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import test from 'brittle'
import type { Assert } from 'brittle'
import type { P2psyncError } from '../../base/errors.ts'
import { waitUntilUp } from '../../cli/commands/daemon.ts'
import { unitText } from '../../cli/commands/service.ts'
import { Context } from '../../cli/context.ts'
import { Output } from '../../cli/output.ts'
import { ownPackage } from '../../base/package-root.ts'
import { waitFor } from '../e2e/tree.ts'
import { startFake } from '../rpc/fake-daemon.ts'
import { runHere } from './run-cli.ts'

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0
const shipped = (name: string): string => readFileSync(join(ownPackage().root, 'systemd', name), 'utf8')
const quiet = new Output({ json: true, stdout: { write: () => true }, stderr: { write: () => true } })

function verify(t: Assert, directory: string, name: string, text: string): void {
  mkdirSync(directory, { recursive: true })
  const file = join(directory, name)
  writeFileSync(file, text)
  const ran = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
  t.is(ran.status, 0, `${name}: ${ran.stderr}`)
  t.absent(ran.stderr.includes(name), `nothing to remark on ${name}: ${ran.stderr}`)
}

test('systemd-analyze verify finds nothing in the units', { skip: !analyze }, async (t) => {
  const directory = await t.tmp()
  const user = userInfo().username
  const context = new Context(quiet, { P2PSYNC_HOME: join(directory, 'home of "100%" $x') }, directory)
  verify(t, join(directory, 'shipped'), 'p2psync.service', shipped('p2psync.service'))
  verify(t, join(directory, 'shipped'), `p2psync@${user}.service`, shipped('p2psync@.service'))
  verify(t, join(directory, 'written'), 'p2psync.service', unitText(shipped('p2psync.service'), context, { system: false }))
  verify(t, join(directory, 'written'), `p2psync@${user}.service`, unitText(shipped('p2psync@.service'), context, { system: true }))
})

test('the units stop the daemon cleanly and let Node run', (t) => {
  for (const name of ['p2psync.service', 'p2psync@.service']) {
    const text = shipped(name)
    t.ok(/^KillSignal=SIGTERM$/m.test(text) && /^TimeoutStopSec=10$/m.test(text))
    t.absent(/^MemoryDenyWriteExecute/m.test(text))
  }
})

test('a written unit names node, the daemon and the home, quoted as systemd wants it', (t) => {
  const context = new Context(quiet, { P2PSYNC_HOME: '/srv/my "home" 100%' }, '/')
  const text = unitText(shipped('p2psync.service'), context, { system: false })
  t.ok(text.includes(`\nExecStart=${process.execPath} `) && /daemon\/main\.js$/m.test(text), text)
  t.ok(text.includes('\nEnvironment="P2PSYNC_HOME=/srv/my \\"home\\" 100%%"\n'), text)
  t.absent(/P2PSYNC_HOME/.test(unitText(shipped('p2psync@.service'), context, { system: true })), 'the system unit has directories of its own')
})

/** A `systemctl` that records its arguments and does what `script` says. */
async function fakeSystemctl(t: Assert, script: string): Promise<{ readonly env: Record<string, string>; readonly home: string; readonly calls: () => string[] }> {
  const home = await t.tmp()
  const bin = join(home, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho "$@" >> ${home}/calls\n${script}\n`)
  chmodSync(join(bin, 'systemctl'), 0o755)
  const path = process.env['PATH'] ?? ''
  process.env['PATH'] = `${bin}${delimiter}${path}`
  t.teardown(() => (process.env['PATH'] = path))
  const calls = (): string[] => (existsSync(join(home, 'calls')) ? readFileSync(join(home, 'calls'), 'utf8').trim().split('\n') : [])
  return { env: { XDG_CONFIG_HOME: join(home, 'config'), XDG_STATE_HOME: join(home, 'state'), XDG_RUNTIME_DIR: join(home, 'run'), P2PSYNC_HOME: '' }, home, calls }
}

test('install writes the unit and has systemd enable and start it; uninstall undoes it', async (t) => {
  const { env, home, calls } = await fakeSystemctl(t, '[ "$2" = is-enabled ] && echo enabled; [ "$2" = is-active ] && echo active; exit 0')
  const unit = join(home, 'config', 'systemd', 'user', 'p2psync.service')
  t.is((await runHere(home, ['service', 'install', '--json'], { env })).code, 0)
  t.ok(existsSync(unit))
  t.alike(calls(), ['--user daemon-reload', '--user enable p2psync.service', '--user restart p2psync.service'])
  const status = await runHere(home, ['service', 'status', '--json'], { env })
  t.alike(status.json, { schema: 1, installed: true, unit: 'p2psync.service', file: unit, enabled: true, active: true })
  t.is((await runHere(home, ['service', 'uninstall'], { env })).code, 0)
  t.absent(existsSync(unit))
  t.ok(calls().includes('--user disable --now p2psync.service'))
  t.is((await runHere(home, ['service', 'uninstall'], { env })).code, 0, 'again: nothing to do')
})

test('an enabled service is not bypassed: other commands exit 3, start uses it', async (t) => {
  const { env, home, calls } = await fakeSystemctl(t, 'echo "Failed to start p2psync.service: no" >&2; exit 1')
  const units = join(home, 'config', 'systemd', 'user', 'default.target.wants')
  mkdirSync(units, { recursive: true })
  writeFileSync(join(units, 'p2psync.service'), '')
  writeFileSync(join(units, '..', 'p2psync.service'), '')
  const status = await runHere(home, ['status', '--json'], { env: { ...env, P2PSYNC_AUTOSTART: '' } })
  t.is(status.code, 3)
  t.ok(status.error?.message.includes('p2psync.service'))
  t.alike(calls(), [])
  t.is((await runHere(home, ['start', '--json'], { env })).error?.message, 'systemctl start p2psync.service failed: Failed to start p2psync.service: no')
  t.alike(calls(), ['--user start p2psync.service'])
})

test('a service whose daemon takes long to start is waited for as long as it runs', async (t) => {
  const { home } = await fakeSystemctl(t, `[ "$2" = is-active ] && [ -e "$0.dead" ] && exit 3; exit 0`)
  let said = ''
  const context = new Context(new Output({ json: false, stdout: { write: () => undefined }, stderr: { write: (text) => (said += text) } }), { P2PSYNC_HOME: home }, home)
  const service = { unit: 'p2psync.service', system: false, startHint: '' }
  const up = waitUntilUp(context, service, 50)
  await waitFor('it is said', () => said !== '')
  t.is(said, 'p2psync: the daemon of the service p2psync.service is still opening its store; waiting for it\n')
  const fake = await startFake(t, undefined, home)
  t.is((await up).pid, process.pid)
  await fake.close()
  writeFileSync(join(home, 'bin', 'systemctl.dead'), '')
  const failed = (await waitUntilUp(context, service, 50).catch((error: unknown) => error)) as P2psyncError
  t.is(failed.code, 'NOT_RUNNING')
  t.ok(failed.message.includes('journalctl --user -u p2psync.service'))
})

test('a service with another home is not ours', async (t) => {
  const { env, home } = await fakeSystemctl(t, 'exit 0')
  const own = join(home, 'own home')
  t.is((await runHere(home, ['service', 'install'], { env: { ...env, P2PSYNC_HOME: own } })).code, 0)
  const wants = join(home, 'config', 'systemd', 'user', 'default.target.wants')
  mkdirSync(wants)
  writeFileSync(join(wants, 'p2psync.service'), '')
  const message = async (extra: Record<string, string>): Promise<string> => (await runHere(home, ['log'], { env: { ...env, ...extra } })).stderr
  t.ok((await message({ P2PSYNC_HOME: own })).includes('journalctl --user -u p2psync.service'))
  t.absent((await message({})).includes('journalctl'))
  t.absent((await message({ P2PSYNC_HOME: join(home, 'other') })).includes('journalctl'))
})

test('where systemd does not run, install says so and leaves nothing behind', async (t) => {
  const { env, home } = await fakeSystemctl(t, 'echo "Failed to connect to bus: No medium found" >&2; exit 1')
  const ran = await runHere(home, ['service', 'install', '--json'], { env })
  t.is(ran.code, 1)
  t.is(ran.error?.code, 'NOT_SUPPORTED')
  t.absent(existsSync(join(home, 'config', 'systemd', 'user', 'p2psync.service')))
})

test('without systemctl there is a sentence', async (t) => {
  const home = await t.tmp()
  const path = process.env['PATH']
  process.env['PATH'] = home
  t.teardown(() => (process.env['PATH'] = path))
  const ran = await runHere(home, ['service', 'status', '--json'])
  t.is(ran.error?.code, 'NOT_SUPPORTED')
})
