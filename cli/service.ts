/** The systemd units of ours, seen from the command: what is installed, and asking systemctl. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import type { Context } from './context.ts'

export const USER_UNIT = 'p2psync.service'
export const SYSTEM_UNIT = 'p2psync@.service'

export interface Manager {
  readonly unit: string
  readonly system: boolean
  /** What the user types to start it. */
  readonly startHint: string
}

/** The service that runs this installation's daemon, or null if commands may start it. */
export function managedBy(context: Context): Manager | null {
  if (context.paths.kind === 'system') {
    const unit = `p2psync@${userInfo().username}.service`
    return { unit, system: true, startHint: `sudo systemctl start ${unit}` }
  }
  const text = enabledUnit(context)
  const home = homeLine(context)
  if (text === null || (home === null ? text.includes('P2PSYNC_HOME=') : !text.includes(`${home}\n`))) return null
  return { unit: USER_UNIT, system: false, startHint: '`p2psync start`' }
}

/** `~/.config/systemd/user`. */
export function userUnitDirectory(context: Context): string {
  const config = context.env['XDG_CONFIG_HOME']
  return join(config !== undefined && isAbsolute(config) ? config : join(homedir(), '.config'), 'systemd', 'user')
}

export const SYSTEM_UNIT_DIRECTORY = '/etc/systemd/system'

/** The text of the unit if it is enabled (`systemctl enable` makes the link), else null. */
function enabledUnit(context: Context): string | null {
  const directory = userUnitDirectory(context)
  const file = join(directory, USER_UNIT)
  return existsSync(join(directory, 'default.target.wants', USER_UNIT)) && existsSync(file) ? readFileSync(file, 'utf8') : null
}

/** What a unit says that runs a daemon with a home of its own. */
export function homeLine(context: Context): string | null {
  return context.paths.kind === 'home' ? environmentLine('P2PSYNC_HOME', context.paths.home) : null
}

export function environmentLine(name: string, value: string): string {
  return `Environment=${quoted(`${name}=${value}`)}`
}

/** systemd.syntax(7): quotes, backslashes and specifiers. Throws USAGE for what no unit can hold. */
export function quoted(text: string): string {
  if (/[\n\0]/.test(text)) throw new P2psyncError('USAGE', `${JSON.stringify(text)} cannot stand in a unit`)
  const escaped = text.replace(/%/g, '%%')
  return /[\s"'\\;]/.test(escaped) ? `"${escaped.replace(/[\\"]/g, '\\$&')}"` : escaped
}

/** The trimmed standard output. Throws NOT_SUPPORTED where systemd is not there, FAILED with its words where it refuses. */
export async function systemctl(system: boolean, ...args: readonly string[]): Promise<string> {
  const answer = await trySystemctl(system, ...args)
  if (answer.code === 0) return answer.stdout
  const why = answer.stderr.split('\n')[0] || `exit code ${answer.code}`
  if (/bus|not been booted/i.test(answer.stderr)) {
    throw new P2psyncError('NOT_SUPPORTED', `systemd does not run here for ${system ? 'the system' : 'this user'} (${why}); run \`p2psync daemon\` under a supervisor of your own, or \`p2psync start\``)
  }
  throw new P2psyncError('INTERNAL', `systemctl ${args.join(' ')} failed: ${why}`)
}

export interface SystemctlAnswer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export function trySystemctl(system: boolean, ...args: readonly string[]): Promise<SystemctlAnswer> {
  return new Promise((resolve, reject) => {
    execFile('systemctl', [...(system ? [] : ['--user']), ...args], { encoding: 'utf8', timeout: 30_000 }, (error, stdout, stderr) => {
      if (error !== null && errnoOf(error) === 'ENOENT') {
        reject(new P2psyncError('NOT_SUPPORTED', 'there is no systemd on this machine (systemctl is not found); run `p2psync start`, or `p2psync daemon` under a supervisor of your own', { cause: error }))
        return
      }
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, stdout: stdout.trim(), stderr: stderr.trim() || (error === null ? '' : messageOf(error)) })
    })
  })
}
