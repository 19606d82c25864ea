/** `folders.history`, `folders.restore`, `folders.restoreTree`: versions of files, and how they come back. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errnoOf, messageOf, P2psyncError } from '../../base/errors.ts'
import type { DeviceRef, FileVersion, Handlers, ParsedParams, ProblemRow, Result } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import { Export, makeDirectory, makeEmpty } from '../export.ts'
import type { Version } from '../folder/history.ts'
import type { PastLeaf, PastTree } from '../folder/tree-at.ts'
import type { FolderHost } from '../host.ts'
import { ancestorsOf } from '../sync/path.ts'
import type { PathKey } from '../sync/ids.ts'
import { hostOf, refOf } from './folders.ts'
import { inTime } from './in-time.ts'
import { locate, locateOrNull } from './locate.ts'
import { realParent } from './real-parent.ts'
import { deviceOf } from './writers.ts'

type Part = Pick<Handlers, 'folders.history' | 'folders.restore' | 'folders.restoreTree'>

/** Files written at once by a restore of a tree. */
const FILES_AT_ONCE = 64
const MAX_LISTED_MISSING = 1000

export function historyHandlers(daemon: App): Part {
  return {
    'folders.history': async (params, { signal }) => {
      const { host, path } = await locate(daemon, params)
      const { versions, silent } = await host.folder.user.history(path, signal)
      if (versions.length === 0) await expectKnown(host, path)
      return { folder: refOf(host), path, versions: versions.map((version) => describe(daemon, host, version)), silent: silent.map((id) => ({ id, name: daemon.nameOf(id) })) }
    },
    'folders.restore': async (params, { signal }) => await restore(daemon, params, signal),
    'folders.restoreTree': async (params, { signal }) => await restoreTree(daemon, params, signal)
  }
}

async function expectKnown(host: FolderHost, path: PathKey): Promise<void> {
  const row = await host.index.row(path)
  if (row?.entry.kind === 'directory') throw new P2psyncError('USAGE', `${path} is a directory; name a file, or get the whole tree back with p2psync restore ${join(host.path, path)} --at TIME --to DIR`)
  if (row === null) throw new P2psyncError('PATH_MISSING', `nothing is known of ${path} in the folder ${host.name}; check the name`)
}

function describe(daemon: App, host: FolderHost, { id, leaf, writer, holders }: Version): FileVersion {
  return {
    id,
    kind: leaf.kind,
    size: leaf.kind === 'file' ? leaf.size : 0,
    mtime: new Date(Number(BigInt(leaf.mtime) / 1_000_000n)).toISOString(),
    device: writer === null ? null : deviceOf(daemon, host, writer),
    current: holders.some((holder) => holder.device === null && holder.at === null),
    holders: holders.map(({ device, at, reason }) => ({ device: refTo(daemon, device ?? daemon.group.self.id), at: at === null ? null : new Date(at).toISOString(), reason }))
  }
}

function refTo(daemon: App, id: string): DeviceRef {
  return { id, name: daemon.nameOf(id) }
}

// ------------------------------------------------------------------------------------------- one file

async function restore(daemon: App, params: ParsedParams<'folders.restore'>, signal: AbortSignal): Promise<Result<'folders.restore'>> {
  const { host, path } = await locate(daemon, params)
  const { user } = host.folder
  const version = await user.version(path, params.version, signal)
  const target = params.to === undefined ? null : await locateOrNull(daemon, params.to)
  if (target !== null && target.host !== host) throw new P2psyncError('FOLDER_OVERLAP', `${params.to} lies in another folder, ${target.host.name}; choose a path in ${host.name} or outside of every folder`)
  if (params.to !== undefined && target === null) await exportOne(host, version, await realParent(params.to), signal)
  else await user.restore(version, target?.path ?? null, signal)
  return { folder: refOf(host), path, version: version.id, to: params.to ?? join(host.path, path) }
}

async function exportOne(host: FolderHost, version: Version, to: string, signal: AbortSignal): Promise<void> {
  await expectDirectory(dirname(to))
  const copy = new Export(dirname(to))
  try {
    const past: PastLeaf = { path: basename(to) as PathKey, leaf: version.leaf, sources: version.holders.flatMap(({ device }) => device ?? []) }
    await put(copy, host.folder.user.bringer(copy, signal), past, to)
  } finally {
    await copy.close()
  }
}

async function expectDirectory(path: string): Promise<void> {
  try {
    if ((await inTime(path, async () => await stat(path))).isDirectory()) return
  } catch (error) {
    if (error instanceof P2psyncError) throw error
    const code = errnoOf(error)
    if (code === 'ENOENT') throw new P2psyncError('PATH_MISSING', `${path} does not exist; make it first`, { cause: error })
    throw new P2psyncError('PATH_DENIED', `cannot write into ${path} (${code ?? 'unknown error'}); choose another directory`, { cause: error })
  }
  throw new P2psyncError('PATH_NOT_DIRECTORY', `${path} is not a directory; choose another`)
}

async function put(copy: Export, bringer: ReturnType<FolderHost['folder']['user']['bringer']>, { leaf, sources }: PastLeaf, to: string): Promise<void> {
  if (leaf.kind === 'symlink') return await copy.symlink(leaf.target, to, leaf.mtime)
  if (!copy.isStaged(leaf.cid)) await bringer.file(leaf, sources)
  await copy.file(leaf.cid, to, leaf.mode, leaf.mtime)
}

// ------------------------------------------------------------------------------------------- a tree

async function restoreTree(daemon: App, params: ParsedParams<'folders.restoreTree'>, signal: AbortSignal): Promise<Result<'folders.restoreTree'>> {
  const host = hostOf(daemon, params.folder)
  const under = await subtree(daemon, host, params)
  const to = await realParent(params.to)
  await expectOutside(daemon, to)
  const at = Date.parse(params.at)
  const tree = await host.folder.user.treeAt(at, under, signal)
  if (tree.leaves.length === 0) throw new P2psyncError('VERSION_UNKNOWN', `no file of ${host.name} is known to have been there at ${params.at}; connect the other devices and try again, or choose a later time`)
  await inTime(to, async () => await makeEmpty(to))
  const missing: ProblemRow[] = []
  const directories = await makeDirectories(tree, to, missing)
  const done = await putAll(host, tree.leaves, to, missing, signal)
  const silent = tree.silent.map((id) => refTo(daemon, id))
  return { folder: refOf(host), to, at: params.at, ...done, directories, missing: missing.slice(0, MAX_LISTED_MISSING), silent }
}

/** Null: all of it. */
async function subtree(daemon: App, host: FolderHost, { folder, path }: ParsedParams<'folders.restoreTree'>): Promise<PathKey | null> {
  if (path === undefined || (path.startsWith('/') && (await realParent(path)) === host.path)) return null
  return (await locate(daemon, { folder, path })).path
}

async function expectOutside(daemon: App, to: string): Promise<void> {
  for (const host of daemon.hosts.values()) {
    const within = to === host.path || to.startsWith(`${host.path}/`)
    if (within) throw new P2psyncError('FOLDER_OVERLAP', `${to} lies in the folder ${host.name}, where a copy would be synced; choose a directory outside of every folder`)
  }
}

async function makeDirectories(tree: PastTree, to: string, missing: ProblemRow[]): Promise<number> {
  const modes = new Map<PathKey, number>(tree.directories.map(({ path, mode }) => [path, mode]))
  for (const { path } of [...tree.leaves, ...tree.directories]) for (const parent of ancestorsOf(path)) if (!modes.has(parent)) modes.set(parent, 0o755)
  let made = 0
  for (const path of [...modes.keys()].sort()) {
    if (await noted(missing, path, async () => await makeDirectory(join(to, path), modes.get(path) ?? 0o755))) made++
  }
  return made
}

/** Files first: a symlink must not stand where a directory belongs while they are written. Each content is fetched once. */
async function putAll(host: FolderHost, leaves: readonly PastLeaf[], to: string, missing: ProblemRow[], signal: AbortSignal): Promise<{ files: number; bytes: number }> {
  const copy = new Export(to)
  const bringer = host.folder.user.bringer(copy, signal)
  const done = { files: 0, bytes: 0 }
  const queue = byContent(leaves)
  const lane = async (): Promise<void> => {
    for (let pasts = queue.shift(); pasts !== undefined && !signal.aborted; pasts = queue.shift()) {
      for (const past of pasts) {
        if (!(await noted(missing, past.path, async () => await put(copy, bringer, past, join(to, past.path))))) continue
        done.files++
        done.bytes += past.leaf.kind === 'file' ? past.leaf.size : 0
      }
      if (pasts[0]?.leaf.kind === 'file') await copy.done(pasts[0].leaf.cid)
    }
  }
  try {
    await Promise.all(Array.from({ length: FILES_AT_ONCE }, lane))
    for (const { path, leaf } of leaves) {
      if (leaf.kind === 'symlink' && (await noted(missing, path, async () => await copy.symlink(leaf.target, join(to, path), leaf.mtime)))) done.files++
    }
  } finally {
    await copy.close()
  }
  signal.throwIfAborted()
  return done
}

function byContent(leaves: readonly PastLeaf[]): PastLeaf[][] {
  const groups = new Map<string, PastLeaf[]>()
  for (const past of leaves) {
    if (past.leaf.kind !== 'file') continue
    const group = groups.get(past.leaf.cid)
    if (group === undefined) groups.set(past.leaf.cid, [past])
    else group.push(past)
  }
  return [...groups.values()]
}

/** One that cannot be had does not keep the others back. */
async function noted(missing: ProblemRow[], path: PathKey, run: () => Promise<void>): Promise<boolean> {
  try {
    await run()
    return true
  } catch (error) {
    missing.push({ path, code: error instanceof P2psyncError ? error.code : 'INTERNAL', message: messageOf(error) })
    return false
  }
}
