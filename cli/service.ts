/** The systemd units of ours, seen from the command: what is installed, and asking systemctl. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
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
  // A daemon with a home of its own is never the service's, unless the unit says so; then `service install` has put it there.
  if (context.paths.kind === 'home' || !isEnabled(context)) return null
  return { unit: USER_UNIT, system: false, startHint: '`p2psync start`' }
}

/** `~/.config/systemd/user`. */
export function userUnitDirectory(context: Context): string {
  const config = context.env['XDG_CONFIG_HOME']
  return join(config !== undefined && isAbsolute(config) ? config : join(homedir(), '.config'), 'systemd', 'user')
}

export const SYSTEM_UNIT_DIRECTORY = '/etc/systemd/system'

/** `systemctl enable` makes this link. */
function isEnabled(context: Context): boolean {
  const directory = userUnitDirectory(context)
  return existsSync(join(directory, USER_UNIT)) && existsSync(join(directory, 'default.target.wants', USER_UNIT))
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
