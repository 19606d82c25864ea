/** `status.get`: the document of `p2psync status --json`. */
import type { FolderStatus, Handlers, ProblemRow } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import type { Rest } from '../folder/resting.ts'
import type { FolderHost } from '../host.ts'
import type { FolderId } from '../sync/ids.ts'
import { deviceInfos } from './devices.ts'
import { hostsOf } from './folders.ts'
import { faultyPatterns } from './paths.ts'
import { historyBytes, storeBytes } from './sizes.ts'

type Part = Pick<Handlers, 'status.get'>

const MAX_LISTED_PROBLEMS = 300
/** A shorter rest is over before anybody has read of it. */
const TOLD_REST_MS = 5000

export function statusHandlers(daemon: App): Part {
  return {
    'status.get': async ({ folder }) => {
      const hosts = hostsOf(daemon, folder)
      const store = await storeBytes(daemon.options.paths.storeDir)
      const folders = await Promise.all(hosts.map((host) => folderStatus(host, store, daemon.hosts.size, [...namesakes(daemon, host), ...otherVersions(daemon, host), ...faultyPatterns(host.folder.rules.faulty), ...restingFiles(host.folder.resting)], daemon.notices.of(host.id))))
      const { id, name } = daemon.group.self
      const devices = deviceInfos(daemon).filter((info) => !info.self)
      return { schema: 1, device: { id, name }, reason: daemon.haltReason, devices: devices.map(({ self: _, ...info }) => info), folders }
    }
  }
}

/** `storeBytes`: the store is one for all folders; each is told its even share. */
async function folderStatus(host: FolderHost, store: number, hosts: number, more: readonly ProblemRow[], notices: FolderStatus['notices']): Promise<FolderStatus> {
  const { state, reason, totals, need, problems, devices } = host.status
  return {
    id: host.id,
    name: host.name,
    path: host.path,
    state,
    reason,
    ...totals,
    need,
    conflicts: host.folder.conflicts.size,
    problems: [...more, ...problems.slice(0, MAX_LISTED_PROBLEMS).map(({ path, code, message }) => ({ path, code, message }))],
    notices,
    storeBytes: Math.round(store / Math.max(1, hosts)),
    historyBytes: await historyBytes(host.path),
    devices: devices.map((row) => ({ id: row.device, need: row.need, inSync: row.inSync }))
  }
}

function otherVersions(daemon: App, host: FolderHost): ProblemRow[] {
  const devices = host.status.devices.map(({ device }) => device).filter((device) => daemon.network.isOfOtherVersion(device))
  return devices.map((device) => ({ path: '', code: 'other-version', message: `${daemon.nameOf(device)} runs a version of p2psync that this one cannot talk to; update the older of the two` }))
}

function restingFiles(rests: readonly Rest[]): ProblemRow[] {
  return rests
    .filter(({ ms }) => ms >= TOLD_REST_MS)
    .map(({ path, ms }) => ({ path, code: 'keeps-changing', message: `${path} is large and keeps changing: it is read again once that ends for a moment, after ${Math.ceil(ms / 1000)} s at the latest; \`p2psync sync\` reads it now` }))
}

/** A device has a folder in one place only. */
function oneOf(daemon: App, host: FolderHost, other: FolderId): string {
  const here = daemon.hosts.get(other)
  if (here !== undefined) return `this device has both, the other one at ${here.path}; give the ids where a name is asked for`
  return `to make them one, type \`p2psync remove ${host.id.slice(0, 8)}\` and \`p2psync add PATH --join ${other.slice(0, 8)}\` here`
}

/** R25: folders of one name that were made apart stay two, and are told. */
function namesakes(daemon: App, host: FolderHost): ProblemRow[] {
  const others = daemon.group.folders().filter((folder) => folder.name === host.name && folder.id !== host.id && folder.devices.length > 0)
  return others.map((folder) => ({ path: '', code: 'same-name', message: `the group has another folder called ${host.name} (${folder.id.slice(0, 12)}); ${oneOf(daemon, host, folder.id)}` }))
}
