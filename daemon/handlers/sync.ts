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
      const all = async (limit: AbortSignal): Promise<SyncOutcome[]> => await Promise.all(hosts.map((host) => host.folder.sync(limit)))
      const outcomes = await withDeadline(signal, timeoutMs ?? DEFAULT_TIMEOUT_MS, all)
      return combine(daemon, hosts, outcomes)
    }
  }
}

/** A folder of this device that could not be opened is not equal to anything. */
function expectAllOpen(daemon: App): void {
  const lost = daemon.registry.list().find(({ id }) => daemon.hosts.get(id)?.opened !== true)
  if (lost === undefined) return
  throw new P2psyncError('FOLDER_HALTED', `${lost.path} is a folder of this device but is not open; \`p2psync log\` says why, \`p2psync restart\` tries again`)
}

function combine(daemon: App, hosts: readonly FolderHost[], outcomes: readonly SyncOutcome[]): SyncResult {
  const worst = outcomes.reduce((sofar, { outcome }) => Math.max(sofar, ORDER.indexOf(outcome)), 0)
  const outcome = ORDER[worst] ?? 'in-sync'
  const blocked = hosts.flatMap((host, i) => blockedRows(daemon, host, outcomes[i]?.blocked ?? []))
  const reason = hosts.find((host) => host.status.reason !== null)?.status.reason ?? null
  const paused = new Set(outcomes.flatMap((result) => result.paused))
  const connected = new Set(outcomes.flatMap((result) => [...result.devices, ...result.paused]))
  if (hosts.some((host) => host.folder.activity === 'paused')) paused.add(daemon.group.self.id)
  const absent = new Set(hosts.flatMap((host) => host.status.devices.map((row) => row.device)).filter((device) => !connected.has(device)))
  return { ok: outcome === 'in-sync', outcome, reason, blocked: blocked.slice(0, MAX_LISTED_BLOCKED), absent: refs(daemon, absent), paused: refs(daemon, paused) }
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
