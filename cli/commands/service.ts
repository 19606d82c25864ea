/** `p2psync service`: writes the unit with the exact paths of this installation, and has systemd enable, start or stop it. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { errnoOf, messageOf, P2psyncError } from '../../base/errors.ts'
import { ownPackage } from '../../base/package-root.ts'
import type { Command, Context } from '../context.ts'
import { environmentLine, homeLine, quoted, SYSTEM_UNIT, SYSTEM_UNIT_DIRECTORY, systemctl, trySystemctl, USER_UNIT, userUnitDirectory } from '../service.ts'
import { daemonMain } from '../start-daemon.ts'
import { stopNow } from './daemon.ts'

interface Options {
  readonly system?: boolean
}

interface Unit {
  readonly system: boolean
  readonly file: string
  /** The template in `systemd/`. */
  readonly template: string
  /** What systemctl is told. */
  readonly name: string
}

export const install: Command<[options: Options]> = async (context, options) => {
  const unit = unitOf(context, options)
  const text = unitText(readFileSync(join(ownPackage().root, 'systemd', unit.template), 'utf8'), context, unit)
  const before = existsSync(unit.file) ? readFileSync(unit.file, 'utf8') : null
  write(unit, text)
  try {
    await systemctl(unit.system, 'daemon-reload')
  } catch (error) {
    if (before === null) rmSync(unit.file, { force: true })
    else write(unit, before)
    throw error
  }
  // One started by a command holds the store; the service's would be refused.
  if (!unit.system) await stopNow(context)
  await systemctl(unit.system, 'enable', unit.name)
  await systemctl(unit.system, 'restart', unit.name)
  context.out.document({ installed: true, unit: unit.name, file: unit.file })
  context.out.line(`The service ${unit.name} is installed and runs.`)
  if (!unit.system) context.out.line('It starts when you log in; to have it run without a login type `loginctl enable-linger`.')
}

export const uninstall: Command<[options: Options]> = async (context, options) => {
  const unit = unitOf(context, options)
  const installed = existsSync(unit.file)
  if (installed) {
    await systemctl(unit.system, 'disable', '--now', unit.name)
    remove(unit)
    await systemctl(unit.system, 'daemon-reload')
  }
  context.out.document({ installed: false, unit: unit.name, file: unit.file })
  context.out.line(installed ? `The service ${unit.name} is stopped and removed; folders and settings stay.` : `The service ${unit.name} was not installed.`)
}

export const status: Command<[options: Options]> = async (context, options) => {
  const unit = unitOf(context, options)
  const installed = existsSync(unit.file)
  const enabled = (await trySystemctl(unit.system, 'is-enabled', unit.name)).stdout || 'unknown'
  const active = (await trySystemctl(unit.system, 'is-active', unit.name)).stdout || 'unknown'
  context.out.document({ installed, unit: unit.name, file: unit.file, enabled: enabled === 'enabled', active: active === 'active' })
  context.out.line(installed ? `${unit.name}: ${enabled}, ${active} (${unit.file})` : `The service is not installed; \`p2psync service install${unit.system ? ' --system' : ''}\` does it.`)
}

function unitOf(context: Context, options: Options): Unit {
  if (options.system !== true) return { system: false, file: join(userUnitDirectory(context), USER_UNIT), template: USER_UNIT, name: USER_UNIT }
  return { system: true, file: join(SYSTEM_UNIT_DIRECTORY, SYSTEM_UNIT), template: SYSTEM_UNIT, name: `p2psync@${systemUser(context)}.service` }
}

/** Under sudo the user who typed it. */
function systemUser(context: Context): string {
  const user = context.env['SUDO_USER'] || userInfo().username
  if (!/^[a-z_][a-z0-9_-]*\$?$/i.test(user)) throw new P2psyncError('USAGE', `the user name ${JSON.stringify(user)} cannot be part of a unit's name`)
  return user
}

/** The template with this installation's node and daemon, and for a user's unit the environment that says where things lie. */
export function unitText(template: string, context: Context, unit: { readonly system: boolean }): string {
  const command = `ExecStart=${[process.execPath, daemonMain].map((part) => quoted(part.replace(/\$/g, () => '$$'))).join(' ')}`
  const environment = unit.system ? [] : environmentLines(context)
  return template
    .replace(/^# `p2psync service install` writes.*\n/m, '# Written by `p2psync service install`.\n')
    .replace(/^ExecStart=.*$/m, () => [...environment, command].join('\n'))
}

/** A service has no shell's environment. */
function environmentLines(context: Context): string[] {
  const home = homeLine(context)
  if (home !== null) return [home]
  return ['XDG_CONFIG_HOME', 'XDG_STATE_HOME'].flatMap((name) => {
    const value = context.env[name]
    return value ? [environmentLine(name, value)] : []
  })
}

function write(unit: Unit, text: string): void {
  guarded(unit, () => {
    mkdirSync(dirname(unit.file), { recursive: true })
    writeFileSync(unit.file, text, { mode: 0o644 })
  })
}

function remove(unit: Unit): void {
  guarded(unit, () => rmSync(unit.file, { force: true }))
}

function guarded(unit: Unit, run: () => void): void {
  try {
    run()
  } catch (error) {
    const hint = unit.system && (errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM') ? '; run it with sudo' : ''
    throw new P2psyncError('PATH_DENIED', `cannot write ${unit.file}: ${messageOf(error)}${hint}`, { cause: error })
  }
}
