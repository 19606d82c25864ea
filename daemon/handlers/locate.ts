/** Which folder, and which path in it, a caller means by the name of a file. */
import { P2psyncError } from '../../base/errors.ts'
import type { App } from '../app.ts'
import type { FolderHost } from '../host.ts'
import type { PathKey } from '../sync/ids.ts'
import { parsePath } from '../sync/path.ts'
import { hostOf } from './folders.ts'
import { realParent } from './real-parent.ts'

export interface Located {
  readonly host: FolderHost
  /** Never the root. */
  readonly path: PathKey
}

/** An absolute path, or with `folder` one below that folder. The file itself need not exist. Throws FOLDER_UNKNOWN or USAGE. */
export async function locate(daemon: App, { folder, path }: { readonly folder?: string | undefined; readonly path: string }): Promise<Located> {
  if (!path.startsWith('/')) {
    if (folder === undefined) throw new P2psyncError('USAGE', 'path: must be absolute where no folder is named')
    return inside(hostOf(daemon, folder), path)
  }
  const real = await realParent(path)
  const host = hostOf(daemon, real)
  if (folder !== undefined && hostOf(daemon, folder) !== host) throw new P2psyncError('USAGE', `${path} does not lie in the folder ${folder}`)
  return inside(host, real.slice(host.path.length + 1))
}

/** As `locate` for an absolute path; null if it lies in no folder of this device. */
export async function locateOrNull(daemon: App, path: string): Promise<Located | null> {
  const real = await realParent(path)
  const host = [...daemon.hosts.values()].find((each) => real === each.path || real.startsWith(`${each.path}/`))
  return host === undefined ? null : inside(host, real.slice(host.path.length + 1))
}

function inside(host: FolderHost, path: string): Located {
  const parsed = parsePath(path)
  if (parsed === null) throw new P2psyncError('USAGE', path === '' ? `${host.path} is the folder itself; name a file in it` : `${JSON.stringify(path)} is no path of the folder ${host.name}`)
  return { host, path: parsed }
}
