/** `folders.*` as far as they change which folders are here. */
import { basename, dirname } from 'node:path'
import { realpath, access } from 'node:fs/promises'
import { P2psyncError } from '../../base/errors.ts'
import type { FolderRef, Handlers, ListedFolder, ParsedParams } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import { createMarker, expectAnswer, expectUnmarked, prepareRoot, removeMarker } from '../disk/open.ts'
import { far } from '../disk/sys.ts'
import { REMOVED } from '../halts.ts'
import type { FolderHost } from '../host.ts'
import type { GroupFolder } from '../net/group.ts'
import { selectFolder } from '../select.ts'
import { RESERVED_NAME } from '../sync/path.ts'
import { inTime } from './in-time.ts'
import { realParent } from './real-parent.ts'

type Part = Pick<Handlers, 'folders.list' | 'folders.add' | 'folders.remove' | 'folders.pause' | 'folders.resume'>

export function folderHandlers(daemon: App): Part {
  return {
    'folders.list': async ({ keys }) => ({ folders: daemon.group.folders().map((folder) => listed(daemon, folder, keys === true)) }),
    'folders.add': async (params) => await add(daemon, params),
    'folders.remove': async ({ folder }) => {
      const host = hostOf(daemon, folder)
      const ref = refOf(host)
      await daemon.removeFolder(host.id)
      await unmark(daemon, host.path)
      return { folder: ref }
    },
    'folders.pause': async ({ folder }) => ({ folders: await Promise.all(hostsOf(daemon, folder).map((host) => setPaused(daemon, host, true))) }),
    'folders.resume': async ({ folder }) => ({ folders: await Promise.all(hostsOf(daemon, folder).map((host) => setPaused(daemon, host, false))) })
  }
}

/** The folders here that a selector means; without one, all. */
export function hostsOf(daemon: App, selector: string | undefined): FolderHost[] {
  // One that is still being opened, or rotated, has nothing to say yet.
  return selector === undefined ? [...daemon.hosts.values()].filter((host) => host.opened) : [hostOf(daemon, selector)]
}

export function hostOf(daemon: App, selector: string): FolderHost {
  const elsewhere = daemon.group.folders().filter(({ id, name }) => !daemon.hosts.has(id) && (name === selector || (selector.length >= 4 && id.startsWith(selector))))
  try {
    return selectFolder([...daemon.hosts.values()], selector)
  } catch (error) {
    const [only] = elsewhere
    if (only === undefined || elsewhere.length > 1 || !(error instanceof P2psyncError) || error.code !== 'FOLDER_UNKNOWN') throw error
    throw new P2psyncError('FOLDER_UNKNOWN', `the folder ${only.name} is not on this device; \`p2psync add PATH --join ${only.id.slice(0, 8)}\` brings it here`, { cause: error })
  }
}

export function refOf(host: FolderHost): FolderRef {
  return { id: host.id, name: host.name, path: host.path, state: host.folder.activity }
}

async function setPaused(daemon: App, host: FolderHost, paused: boolean): Promise<FolderRef> {
  daemon.registry.setPaused(host.id, paused)
  if (paused) await host.pause()
  else host.folder.resume()
  return refOf(host)
}

/** By root, while its disk has not answered: who adds it again waits until it is done. */
const unmarking = new Map<string, Promise<void>>()

/** Where the disk does not answer: once it does. */
async function unmark(daemon: App, path: string): Promise<void> {
  const late = async (): Promise<void> => {
    await far.free(path)
    await removeMarker(path)
  }
  const work = late().finally(() => unmarking.delete(path))
  unmarking.set(path, work)
  if (!(await far.answers(path, work))) daemon.options.log.warn({ path }, 'the disk of a removed folder does not answer; the marker in it is removed when it does')
}

function listed(daemon: App, folder: GroupFolder, keys: boolean): ListedFolder {
  const host = daemon.hosts.get(folder.id)
  const drives = folder.drives.map((drive) => ({
    device: drive.device,
    key: drive.driveKey,
    encryptionKey: (folder.keys.get(drive.keyId) ?? folder.key).toString('hex')
  }))
  return { id: folder.id, name: folder.name, path: host?.path ?? null, state: host?.folder.activity ?? null, devices: [...folder.devices], ...(keys ? { drives } : {}) }
}

// ------------------------------------------------------------------------------------------- add

async function add(daemon: App, params: ParsedParams<'folders.add'>): Promise<{ folder: FolderRef; joined: boolean }> {
  await expectAnswer(params.path)
  await refuseBeforeMaking(daemon, params)
  const path = await inTime(params.path, async () => await realpath(await prepareRoot(params.path)))
  await unmarking.get(path)?.catch(() => undefined)
  const existing = [...daemon.hosts.values()].find((host) => host.path === path)
  if (existing !== undefined) {
    expectSame(existing, params)
    return { folder: refOf(existing), joined: false }
  }
  await refuseOverlap(daemon, path)
  const name = params.name ?? (basename(path) || 'folder')
  const joined = chooseFolder(daemon, name, params)
  // Nothing takes a folder out of the group again, so that it must be made last.
  if (joined === null) await expectUnmarked(path)
  const id = joined?.id ?? (await daemon.group.createFolder(name))
  await createMarker(path, id, daemon.group.self.id)
  try {
    return { folder: refOf(await daemon.addFolder(id, path)), joined: joined !== null }
  } catch (error) {
    await removeMarker(path)
    if (joined === null) await daemon.group.leaveFolder(id)
    throw error
  }
}

/** What is refused leaves no directory behind, which inside a folder would be synced. What `prepareRoot` refuses, it refuses first. */
async function refuseBeforeMaking(daemon: App, params: ParsedParams<'folders.add'>): Promise<void> {
  const path = await realParent(params.path)
  if ((await exists(path)) || !(await exists(dirname(path))) || path.split('/').includes(RESERVED_NAME)) return
  if (daemon.group.removedSelf) throw new P2psyncError('REMOVED_FROM_GROUP', REMOVED.message)
  await refuseOverlap(daemon, path)
  chooseFolder(daemon, params.name ?? basename(path), params)
}

/** In the pool: it may be on a network. */
async function exists(path: string): Promise<boolean> {
  return await inTime(path, async () => await access(path).then(() => true, () => false))
}

/** Adding again is no error, asking for something else is. */
function expectSame(existing: FolderHost, { name, join }: ParsedParams<'folders.add'>): void {
  const asked = join ?? name ?? existing.name
  if (asked === existing.name || (join !== undefined && existing.id.startsWith(join))) return
  throw new P2psyncError('FOLDER_OVERLAP', `${existing.path} is the folder ${existing.name} already; remove it first (\`p2psync remove ${existing.id.slice(0, 8)}\`) to make it ${JSON.stringify(asked)}`)
}

/** A folder inside another would be synced twice; one that holds our own state would sync that. */
async function refuseOverlap(daemon: App, path: string): Promise<void> {
  for (const host of daemon.hosts.values()) {
    if (isWithin(path, host.path)) throw new P2psyncError('FOLDER_OVERLAP', `${path} lies inside the folder ${host.name} (${host.path}); add a directory outside of it`)
    if (isWithin(host.path, path)) throw new P2psyncError('FOLDER_OVERLAP', `${path} contains the folder ${host.name} (${host.path}); remove that one first`)
  }
  const { stateDir, configFile } = daemon.options.paths
  const state = await realpath(stateDir)
  if (isWithin(state, path) || isWithin(path, state) || isWithin(configFile, path)) {
    throw new P2psyncError('PATH_RESERVED', `${path} holds p2psync's own state (${stateDir}), which must not be synced; choose another directory`)
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`)
}

/** R25: the folder to join, or null for a new one. */
function chooseFolder(daemon: App, name: string, params: ParsedParams<'folders.add'>): GroupFolder | null {
  const elsewhere = daemon.group.folders().filter((folder) => !daemon.hosts.has(folder.id))
  if (params.join !== undefined) return joinable(daemon, elsewhere, params.join)
  if (params.new === true) return null
  const same = elsewhere.filter((folder) => folder.name === name && folder.devices.length > 0)
  if (same.length > 1) {
    const ids = same.map((folder) => folder.id.slice(0, 12)).join(', ')
    throw new P2psyncError('FOLDER_AMBIGUOUS', `the group has ${same.length} folders called ${JSON.stringify(name)}; say which with --join ID (${ids}), or make another with --new`)
  }
  return same[0] ?? null
}

/** Throws FOLDER_OVERLAP where this device has it already. */
function joinable(daemon: App, elsewhere: readonly GroupFolder[], selector: string): GroupFolder {
  try {
    return selectFolder(elsewhere.map(placed), selector)
  } catch (error) {
    if (!(error instanceof P2psyncError) || error.code !== 'FOLDER_UNKNOWN') throw error
    const here = hostCalled(daemon, selector)
    if (here === null) throw error
    throw new P2psyncError('FOLDER_OVERLAP', `the folder ${here.name} is on this device already, at ${here.path}; remove it there first (\`p2psync remove ${here.id.slice(0, 8)}\`), or use it`, { cause: error })
  }
}

function hostCalled(daemon: App, selector: string): FolderHost | null {
  try {
    return selectFolder([...daemon.hosts.values()], selector)
  } catch {
    return null // none, or several
  }
}

function placed(folder: GroupFolder): GroupFolder & { path: string | null } {
  return { ...folder, path: null }
}

