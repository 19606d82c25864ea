/** `daemon.doctor`: what the daemon needs of the machine and the network, each in a sentence that says what to do. */
import { readFile, statfs } from 'node:fs/promises'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { DoctorCheck, Handlers } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import { REMOVED } from '../halts.ts'
import { openToOthers } from '../own-modes.ts'
import { inTime } from './in-time.ts'
import { storeBytes } from './sizes.ts'

type Part = Pick<Handlers, 'daemon.doctor'>

type State = DoctorCheck['state']

/** Of the kernel's watches one directory takes one; other programs want some too. */
const WATCHES_IN_USE_SHARE = 0.8
/** Of the same clock that timers use: a step of this is more than leap seconds and slewing. */
const CLOCK_STEP_MS = 60_000
/** No build of this program is older. */
const EARLIEST_YEAR = 2025
const LATEST_YEAR = 2100
/** Below these a large change cannot be staged. */
const FREE_BYTES = 1024 ** 3
const FREE_SHARE = 0.02

export function doctorHandlers(daemon: App): Part {
  return {
    'daemon.doctor': async () => ({
      checks: [await watches(daemon), clock(daemon), port(daemon), nat(daemon), peers(daemon), ...(await disks(daemon)), await store(daemon), await modes(daemon), folders(daemon)]
    })
  }
}

function row(name: string, state: State, message: string): DoctorCheck {
  return { name, state, message }
}

async function watches(daemon: App): Promise<DoctorCheck> {
  const limit = await numberIn('/proc/sys/fs/inotify/max_user_watches')
  const needed = [...daemon.hosts.values()].reduce((sum, host) => sum + host.status.totals.directories + 1, 0)
  if (limit === null) return row('watches', 'unknown', 'this system does not say how many directories can be watched; full rescans find what events miss')
  if (needed <= limit * WATCHES_IN_USE_SHARE) return row('watches', 'ok', `${needed} of at most ${limit} watches of inotify are needed`)
  const state = needed > limit ? 'fail' : 'warn'
  return row('watches', state, `${needed} directories shall be watched and the system allows ${limit}; raise fs.inotify.max_user_watches (sysctl), or changes are found by the rescans only`)
}

async function numberIn(path: string): Promise<number | null> {
  try {
    const value = Number.parseInt(await readFile(path, 'utf8'), 10)
    return Number.isNaN(value) ? null : value
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return null
  }
}

function clock(daemon: App): DoctorCheck {
  const now = Date.now()
  const year = new Date(now).getUTCFullYear()
  if (year < EARLIEST_YEAR || year > LATEST_YEAR) return row('clock', 'warn', `the clock says ${new Date(now).toISOString()}; set it: in a conflict the later time keeps the name (nothing is lost)`)
  const stepped = Math.round(now - daemon.startedAt - daemon.uptimeMs)
  // Forward it also goes while a machine sleeps.
  if (stepped < -CLOCK_STEP_MS) return row('clock', 'warn', `the clock was set back by ${Math.round(-stepped / 1000)} s since the daemon started; until it gets there again, older changes look later than new ones`)
  return row('clock', 'ok', `it says ${new Date(now).toISOString()}`)
}

function port(daemon: App): DoctorCheck {
  const { listenPort } = daemon.network
  if (listenPort === 0) return row('port', 'fail', 'no port is listened on; p2psync log says why')
  return row('port', 'ok', `port ${listenPort} is listened on; open it, UDP and TCP, in a firewall between your devices`)
}

function nat(daemon: App): DoctorCheck {
  const { node } = daemon.network
  if (!node.hasDht) return row('nat', 'unknown', 'there is no DHT (bootstrap is none); devices find each other at known addresses only')
  const address = node.remoteAddress()
  if (!node.online) return row('nat', 'warn', 'no node of the DHT answers; check the connection to the internet, or add addresses with `p2psync devices address`')
  if (node.randomized) return row('nat', 'warn', 'the network gives each connection another port (a random NAT); two devices behind such networks reach each other at known addresses only')
  if (address === null) return row('nat', 'unknown', 'the address outside is not known yet')
  return row('nat', 'ok', `seen from outside as ${address.host}:${address.port}, ${node.firewalled ? 'behind a NAT or firewall that can be passed' : 'reachable directly'}`)
}

function peers(daemon: App): DoctorCheck {
  if (daemon.group.removedSelf) return row('peers', 'warn', REMOVED.message)
  const others = daemon.group.members().filter(({ id }) => id !== daemon.group.self.id)
  if (others.length === 0) return row('peers', 'ok', 'this device is alone in its group; `p2psync invite` brings others in')
  const connected = new Set(daemon.network.links().map(({ device }) => device))
  const away = others.filter(({ id }) => !connected.has(id)).map(({ name }) => name)
  if (away.length === 0) return row('peers', 'ok', others.length === 1 ? 'the other device is connected' : `all ${others.length} other devices are connected`)
  const state = away.length === others.length ? 'warn' : 'ok'
  return row('peers', state, `${others.length - away.length} of ${others.length} other devices are connected; away: ${away.join(', ')}`)
}

async function disks(daemon: App): Promise<DoctorCheck[]> {
  const places = [{ name: 'state', path: daemon.options.paths.stateDir }, ...[...daemon.hosts.values()].map(({ name, path }) => ({ name, path }))]
  return await Promise.all(places.map(async ({ name, path }) => await disk(`disk of ${name}`, path)))
}

async function disk(name: string, path: string): Promise<DoctorCheck> {
  try {
    const { bavail, blocks, bsize } = await inTime(path, async () => await statfs(path))
    const [free, size] = [bavail * bsize, blocks * bsize]
    const text = `${Math.floor(free / 1024 ** 2)} MiB of ${Math.floor(size / 1024 ** 2)} MiB are free at ${path}`
    if (free >= Math.min(FREE_BYTES, size * FREE_SHARE)) return row(name, 'ok', text)
    return row(name, 'warn', `${text}; make room, or files that are on the way cannot be written`)
  } catch (error) {
    return row(name, 'fail', `${path} cannot be looked at: ${messageOf(error)}`)
  }
}

async function store(daemon: App): Promise<DoctorCheck> {
  const { storeDir } = daemon.options.paths
  return row('store', 'ok', `${Math.ceil((await storeBytes(storeDir)) / 1024 ** 2)} MiB at ${storeDir}; \`p2psync doctor FOLDER --check\` looks into it`)
}

async function modes(daemon: App): Promise<DoctorCheck> {
  const open = await openToOthers(daemon.options.paths)
  if (open.length === 0) return row('modes', 'ok', 'keys, store and socket are for this user alone')
  return row('modes', 'fail', `other users of this machine can read or enter ${open.join(', ')}; chmod go= them, or run p2psync doctor FOLDER --check --repair`)
}

function folders(daemon: App): DoctorCheck {
  const registered = daemon.registry.list()
  const lost = registered.filter(({ id }) => daemon.hosts.get(id)?.opened !== true)
  if (lost.length > 0) return row('folders', 'fail', `${lost.map(({ path }) => path).join(', ')} could not be opened; p2psync log says why`)
  const stopped = [...daemon.hosts.values()].filter(({ status }) => status.reason !== null)
  if (stopped.length > 0) return row('folders', 'fail', stopped.map(({ name, status }) => `${name}: ${status.reason?.message ?? ''}`).join('; '))
  return row('folders', 'ok', `${registered.length} open`)
}
