/** `folders.scan` and `folders.sync`. */
import { withDeadline } from '../../base/deadline.ts'
import { P2psyncError } from '../../base/errors.ts'
import type { Handlers, Result } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import type { SyncOutcome } from '../folder/settle.ts'
import type { Divergence } from '../folder/standing.ts'
import type { FolderHost } from '../host.ts'
import type { DeviceId } from '../sync/ids.ts'
import { hostsOf, refOf } from './folders.ts'

type Part = Pick<Handlers, 'folders.scan' | 'folders.sync'>
type SyncResult = Result<'folders.sync'>

const DEFAULT_TIMEOUT_MS = 60_000
const MAX_LISTED_BLOCKED = 200
const PAUSED: SyncOutcome = { outcome: 'halted', blocked: [], devices: [], paused: [] }
/** Worst last. */
const ORDER: readonly SyncResult['outcome'][] = ['in-sync', 'blocked', 'no-peers', 'timeout', 'decision', 'halted']

export function syncHandlers(daemon: App): Part {
  return {
    'folders.scan': async ({ folder }, { signal }) => {
      const hosts = hostsOf(daemon, folder)
      await Promise.all(hosts.map((host) => host.folder.scan(false, signal)))
      return { folders: hosts.map(refOf) }
    },
    'folders.sync': async ({ folder, timeoutMs }, { signal }) => {
      if (folder === undefined) expectAllOpen(daemon)
      const hosts = hostsOf(daemon, folder)
      const all = async (limit: AbortSignal): Promise<SyncOutcome[]> => await Promise.all(hosts.map((host) => syncOne(host, limit)))
      const outcomes = await withDeadline(signal, timeoutMs ?? DEFAULT_TIMEOUT_MS, all)
      return combine(daemon, hosts, outcomes)
    }
  }
}

/** A folder that is paused here cannot come to be equal to any, however long one waits: that is said at once, as of one that is halted. */
async function syncOne(host: FolderHost, limit: AbortSignal): Promise<SyncOutcome> {
  const outcome = isPaused(host) ? PAUSED : await host.folder.sync(limit)
  // It may have been paused meanwhile.
  return isPaused(host) ? { ...outcome, outcome: 'halted' } : outcome
}

function isPaused(host: FolderHost): boolean {
  return host.folder.activity === 'paused'
}

/** A folder of this device that could not be opened is not equal to anything. */
function expectAllOpen(daemon: App): void {
  const lost = daemon.registry.list().find(({ id }) => daemon.hosts.get(id)?.opened !== true)
  if (lost === undefined) return
  throw new P2psyncError('FOLDER_HALTED', `${lost.path} is a folder of this device but is not open; \`p2psync log\` says why, \`p2psync restart\` tries again`)
}

function combine(daemon: App, hosts: readonly FolderHost[], outcomes: readonly SyncOutcome[]): SyncResult {
  const halt = daemon.haltReason
  const worst = outcomes.reduce((sofar, { outcome }) => Math.max(sofar, ORDER.indexOf(outcome)), 0)
  // A device that may not sync is equal to none, with no folder as well.
  const outcome = halt !== null ? 'halted' : (ORDER[worst] ?? 'in-sync')
  const blocked = hosts.flatMap((host, i) => blockedRows(daemon, host, outcomes[i]?.blocked ?? []))
  const reason = hosts.find((host) => host.status.reason !== null)?.status.reason ?? halt ?? pausedReason(hosts)
  const paused = new Set(outcomes.flatMap((result) => result.paused))
  const connected = new Set(outcomes.flatMap((result) => [...result.devices, ...result.paused]))
  if (hosts.some(isPaused)) paused.add(daemon.group.self.id)
  const absent = new Set(hosts.flatMap((host) => othersOf(daemon, host)).filter((device) => !connected.has(device)))
  return { ok: outcome === 'in-sync', outcome, reason, blocked: blocked.slice(0, MAX_LISTED_BLOCKED), absent: refs(daemon, absent), paused: refs(daemon, paused) }
}

/** Who has the folder; of one that is paused here nobody was asked, and who is connected is not absent. */
function othersOf(daemon: App, host: FolderHost): DeviceId[] {
  const devices = host.status.devices.map((row) => row.device)
  return isPaused(host) ? devices.filter((device) => daemon.network.link(device) === null) : devices
}

function pausedReason(hosts: readonly FolderHost[]): SyncResult['reason'] {
  const names = hosts.filter(isPaused).map(({ name }) => name)
  if (names.length === 0) return null
  const [folders, are] = names.length === 1 ? ['the folder', 'is'] : ['the folders', 'are']
  return { code: 'paused', message: `${folders} ${names.join(', ')} ${are} paused on this device, so that nothing is compared; \`p2psync resume\` goes on` }
}

const WHY: Readonly<Record<Divergence, { readonly code: string; readonly message: string }>> = {
  'blocked-here': { code: 'blocked', message: 'this device cannot apply this path; `p2psync status` says why' },
  'blocked-there': { code: 'blocked', message: 'another device cannot apply this path; `p2psync status` there says why' },
  unavailable: { code: 'unavailable', message: 'no connected device can give its bytes; connect one that has them' },
  'under-way': { code: 'under-way', message: 'not equal on all connected devices yet' }
}

function blockedRows(daemon: App, host: FolderHost, rows: SyncOutcome['blocked']): SyncResult['blocked'] {
  const problems = new Map(host.status.problems.map((problem) => [problem.path, problem]))
  return rows.map(({ path, why }) => {
    const problem = problems.get(path) ?? { path, ...WHY[why] }
    return { ...problem, folder: host.id, device: daemon.group.self.id }
  })
}

function refs(daemon: App, devices: Iterable<DeviceId>): { id: string; name: string }[] {
  return [...devices].map((id) => ({ id, name: daemon.nameOf(id) }))
}
