/** What a user may call a folder or a device, resolved to one of them or a sentence that says why not. */
import { P2psyncError } from '../base/errors.ts'
import type { DeviceId, FolderId } from './sync/ids.ts'

interface Named<Id extends string> {
  readonly id: Id
  readonly name: string
}

interface Placed extends Named<FolderId> {
  /** Null: only elsewhere in the group. */
  readonly path: string | null
}

/** Shorter prefixes of an id hit by chance. */
const MIN_PREFIX = 4

/** A name, an id, an unambiguous id prefix, or an absolute path inside the folder. Throws FOLDER_UNKNOWN or FOLDER_AMBIGUOUS. */
export function selectFolder<F extends Placed>(folders: readonly F[], selector: string): F {
  const matches = selector.startsWith('/') ? containing(folders, selector) : called(folders, selector)
  if (matches.length > 1) throw new P2psyncError('FOLDER_AMBIGUOUS', `${JSON.stringify(selector)} names ${matches.length} folders; use the id: ${matches.map((folder) => folder.id.slice(0, 12)).join(', ')}`)
  const [match] = matches
  if (match === undefined) {
    const what = selector.startsWith('/') ? `${selector} lies in no folder of this device` : `no folder is called ${JSON.stringify(selector)} here`
    throw new P2psyncError('FOLDER_UNKNOWN', `${what}; \`p2psync list\` shows all`)
  }
  return match
}

/** A name, an id, or an unambiguous id prefix. Throws DEVICE_UNKNOWN. */
export function selectDevice<D extends Named<DeviceId>>(devices: readonly D[], selector: string): D {
  const matches = called(devices, selector)
  if (matches.length > 1) throw new P2psyncError('DEVICE_UNKNOWN', `${JSON.stringify(selector)} names ${matches.length} devices; use the id: ${matches.map((device) => device.id.slice(0, 12)).join(', ')}`)
  const [match] = matches
  if (match === undefined) throw new P2psyncError('DEVICE_UNKNOWN', `no device is called ${JSON.stringify(selector)}; \`p2psync devices\` shows all`)
  return match
}

function called<T extends Named<string>>(all: readonly T[], selector: string): T[] {
  const exact = all.filter((item) => item.id === selector)
  if (exact.length > 0) return exact
  const named = all.filter((item) => item.name === selector)
  if (named.length > 0) return named
  return selector.length >= MIN_PREFIX ? all.filter((item) => item.id.startsWith(selector)) : []
}

function containing<F extends Placed>(folders: readonly F[], path: string): F[] {
  return folders.filter((folder) => folder.path !== null && (path === folder.path || path.startsWith(`${folder.path}/`)))
}
