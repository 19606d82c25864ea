/**
 * Where everything of one installation lies. One function of the environment, so that the command and the daemon always agree:
 *
 *     P2PSYNC_HOME=H          H/config.json, H/state/, H/p2psync.sock
 *     system service of U     /etc/p2psync/U/config.json, /var/lib/p2psync/U/, /run/p2psync/U/p2psync.sock
 *     otherwise (XDG)         ~/.config/p2psync/config.json, ~/.local/state/p2psync/, $XDG_RUNTIME_DIR/p2psync/p2psync.sock
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'

export interface Paths {
  /** What tells this installation from others on the machine, for people. */
  readonly home: string
  readonly configFile: string
  readonly stateDir: string
  /** Corestore and index. */
  readonly storeDir: string
  /** Secrets, each an fsynced file of its own (R44). */
  readonly keysDir: string
  readonly foldersFile: string
  /** Held by the running daemon. */
  readonly lockFile: string
  readonly logFile: string
  readonly socket: string
  /** `system`: a service of the machine runs the daemon for this user, and commands never start one. */
  readonly kind: 'home' | 'system' | 'xdg'
}

type Env = Readonly<Record<string, string | undefined>>

/** `sun_path` holds 108 bytes with its final NUL. */
export const MAX_SOCKET_PATH_BYTES = 107

const SYSTEM_STATE = '/var/lib/p2psync'

/** Touches nothing on disk but asks whether some directories exist. */
export function resolvePaths(env: Env = process.env): Paths {
  if (env['P2PSYNC_HOME']) return homePaths(resolve(env['P2PSYNC_HOME']))
  const user = userName()
  if (user !== null && (env['P2PSYNC_SERVICE'] === 'system' || existsSync(join(SYSTEM_STATE, user)))) return systemPaths(user)
  return xdgPaths(env, userId())
}

/** Null where the user id has no name, as in some containers. */
function userName(): string | null {
  try {
    return userInfo().username
  } catch {
    return null
  }
}

function userId(): number {
  return process.getuid?.() ?? 0
}

function homePaths(home: string): Paths {
  return layout('home', home, home, join(home, 'state'), shortSocket(join(home, 'p2psync.sock')))
}

function systemPaths(user: string): Paths {
  const state = join(SYSTEM_STATE, user)
  return layout('system', state, join('/etc/p2psync', user), state, join('/run/p2psync', user, 'p2psync.sock'))
}

function xdgPaths(env: Env, uid: number): Paths {
  const config = join(absolute(env['XDG_CONFIG_HOME']) ?? join(homedir(), '.config'), 'p2psync')
  const state = join(absolute(env['XDG_STATE_HOME']) ?? join(homedir(), '.local', 'state'), 'p2psync')
  return layout('xdg', state, config, state, shortSocket(join(runtimeDir(env, uid) ?? state, 'p2psync', 'p2psync.sock')))
}

/** A shell without XDG_RUNTIME_DIR (cron, su) must find the daemon of a login that has it. */
function runtimeDir(env: Env, uid: number): string | null {
  const usual = `/run/user/${uid}`
  return absolute(env['XDG_RUNTIME_DIR']) ?? (existsSync(usual) ? usual : null)
}

/** The XDG specification: relative paths are ignored. */
function absolute(value: string | undefined): string | null {
  return value !== undefined && isAbsolute(value) ? value : null
}

/** A path that the system cannot bind is moved to a private directory below /tmp; its name comes from the path, so both ends find it. */
function shortSocket(path: string): string {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path
  const name = createHash('sha256').update(path).digest('hex').slice(0, 24)
  return join('/tmp', `p2psync-${userId()}`, `${name}.sock`)
}

function layout(kind: Paths['kind'], home: string, config: string, state: string, socket: string): Paths {
  return {
    kind,
    home,
    configFile: join(config, 'config.json'),
    stateDir: state,
    storeDir: join(state, 'store'),
    keysDir: join(state, 'keys'),
    foldersFile: join(state, 'folders.json'),
    lockFile: join(state, 'daemon.lock'),
    logFile: join(state, 'p2psync.log'),
    socket,
  }
}
