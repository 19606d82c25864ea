/**
 * Changes that a user has us make at single paths (restore, resolve): done on disk, then stated with a counter, as if the user had
 * done them by hand (R3). What other devices say of the path meanwhile is merged like any other change. Runs in the folder's cycle.
 */
import { assertNever, P2psyncError } from '../../base/errors.ts'
import type { ApplyOp, ApplyResult, HistoryRow, KeptFile, KeptLink, Row } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import { restamp } from '../sync/diff.ts'
import { sameContent } from '../sync/entry-compare.ts'
import type { Dot, Entry, LiveEntry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { ancestorsOf } from '../sync/path.ts'
import { bump } from '../sync/version.ts'
import { commit, type Change } from './commit.ts'
import type { FolderContext } from './context.ts'
import { FLAG } from './guard.ts'
import { scanAndPublish } from './local.ts'

/** A file or symlink without its version. */
export type Leaf = KeptFile | KeptLink

/** In a row; then the path is somebody's who writes all the time. */
const MAX_ATTEMPTS = 5
const MADE_MODE = 0o755

export interface PutOptions {
  /** What stands there goes to history; otherwise it is an error if something does. */
  readonly replace: boolean
  readonly reason: HistoryRow['reason']
}

/**
 * Gives the path this content, which is staged if it is a file (`list`). Missing directories are made. Throws PATH_EXISTS, PATH_DENIED, and
 * VERSION_UNAVAILABLE if it is not staged any more.
 */
export async function putLeaf(context: FolderContext, path: PathKey, leaf: Leaf, list: ContentList | null, options: PutOptions): Promise<void> {
  if (context.rules.ignored(path, false)) throw new P2psyncError('PATH_EXISTS', `${path} is ignored by .p2psyncignore and would not be synced; use --to with a path outside of the folder`)
  await makeParents(context, path)
  const { row, result } = await attempt(context, path, (before) => {
    expectRoom(path, before, options.replace)
    return putOp(path, leaf, before)
  })
  if (result === null) return
  const entry = stamped(leaf, row?.entry ?? null, context.counter.take())
  const kept = result.kept === null ? null : { name: result.kept, reason: options.reason }
  await state(context, { path, before: row, entry, row: { entry, seen: result.seen }, list, kept, from: 'local' })
}

/** The file or symlink goes to history, if it is (still) this content. Throws PATH_EXISTS if it is another by now. */
export async function removeLeaf(context: FolderContext, path: PathKey, content: Entry, reason: HistoryRow['reason'], heldAt: PathKey | null = null): Promise<void> {
  const { row, result } = await attempt(context, path, (before) => {
    if (before === null || before.entry.kind === 'tombstone' || before.seen === null) return null
    if (!sameContent(before.entry, content)) throw new P2psyncError('PATH_EXISTS', `${path} was changed meanwhile; look at it and try again`)
    return { kind: 'remove', path, expect: before.seen, displace: heldAt === null ? { to: 'history' } : { to: 'linked', at: heldAt } }
  })
  if (row === null || result === null) return
  const dot = context.counter.take()
  const entry: Entry = { kind: 'tombstone', vv: bump(row.entry.vv, dot[0], dot[1]), dots: [dot] }
  const kept = result.kept === null ? null : { name: result.kept, reason }
  await state(context, { path, before: row, entry, row: { entry, seen: null }, list: null, kept, from: 'local' })
}

/** A second name for the same file or symlink. @returns false if the name is taken. */
export async function linkLeaf(context: FolderContext, from: PathKey, to: PathKey): Promise<boolean> {
  const { index, disk } = context.ports
  const [row, taken] = await index.rows([from, to])
  if (row === undefined || row === null || row.seen === null || row.entry.kind === 'tombstone' || row.entry.kind === 'directory') return false
  if (taken !== undefined && taken !== null && (taken.entry.kind !== 'tombstone' || taken.shadow === true)) return false
  const [result] = await disk.apply([{ kind: 'link', path: from, expect: row.seen, to }], context.rules.ignored)
  if (result?.kind === 'problem') throw refused(to, result)
  if (result?.kind !== 'done') {
    await scanAndPublish(context, { paths: [from, to], rehash: false })
    return false
  }
  const list = row.entry.kind === 'file' ? ((await index.content(row.entry.cid))?.list ?? null) : null
  const entry = stamped(row.entry, taken?.entry ?? null, context.counter.take())
  await state(context, { path: to, before: taken ?? null, entry, row: { entry, seen: result.seen }, list, kept: null, from: 'local' })
  return true
}

async function makeParents(context: FolderContext, path: PathKey): Promise<void> {
  for (const directory of ancestorsOf(path).reverse()) {
    const { row, result } = await attempt(context, directory, (before) => {
      if (before?.entry.kind === 'directory' || before?.shadow === true) return null
      if (before !== null && before.entry.kind !== 'tombstone') throw new P2psyncError('PATH_EXISTS', `${directory} is a file now; use --to with another path`)
      return { kind: 'directory', path: directory, expect: null, mode: MADE_MODE, displace: { to: 'history' } }
    })
    if (result === null) continue
    await context.ports.watcher.watch([directory])
    const dot = context.counter.take()
    const entry: Entry = { kind: 'directory', mode: MADE_MODE, mdot: dot, dots: [dot], vv: bump(row?.entry.vv ?? {}, dot[0], dot[1]) }
    await state(context, { path: directory, before: row, entry, row: { entry, seen: result.seen }, list: null, kept: null, from: 'local' })
  }
}

function expectRoom(path: PathKey, before: Row | null, replace: boolean): void {
  if (before === null || (before.entry.kind === 'tombstone' && before.shadow !== true)) return
  const isDirectory = before.entry.kind === 'directory' || before.shadow === true
  if (isDirectory) throw new P2psyncError('PATH_EXISTS', `${path} is a directory now; use --to with another path`)
  if (!replace) throw new P2psyncError('PATH_EXISTS', `${path} exists already; choose a path that is free`)
}

function putOp(path: PathKey, leaf: Leaf, before: Row | null): ApplyOp | null {
  // A deletion of it may wait for a decision: then nothing is there.
  const live = before !== null && before.entry.kind !== 'tombstone' && before.blocked?.code !== FLAG.here ? before : null
  const expect = live?.seen ?? null
  const displace = { to: 'history' } as const
  if (leaf.kind === 'symlink') return { kind: 'symlink', path, expect, target: leaf.target, mtime: leaf.mtime, displace }
  return { kind: 'file', path, expect, cid: leaf.cid, size: leaf.size, mode: leaf.mode, mtime: leaf.mtime, displace }
}

type Done = Extract<ApplyResult, { readonly kind: 'done' }>

/** Until the disk is as the index says; `prepare` null: there is nothing to do. */
async function attempt(context: FolderContext, path: PathKey, prepare: (row: Row | null) => ApplyOp | null): Promise<{ readonly row: Row | null; readonly result: Done | null }> {
  const { index, disk } = context.ports
  for (let i = 0; i < MAX_ATTEMPTS; i++) {
    const row = await index.row(path)
    const op = prepare(row)
    if (op === null) return { row, result: null }
    const [result] = await disk.apply([op], context.rules.ignored)
    if (result === undefined) throw new Error('a change without a result')
    if (result.kind === 'done') return { row, result }
    if (result.kind !== 'changed') throw refused(path, result)
    // The root may have gone: whoever scans it says so.
    await scanAndPublish(context, { paths: [path, ...result.paths, ...(result.stray === null ? [] : [result.stray])], rehash: false })
  }
  throw new P2psyncError('PATH_DENIED', `${path} keeps changing; try again when nobody writes to it`)
}

function refused(path: PathKey, result: Exclude<ApplyResult, { readonly kind: 'done' | 'changed' }>): P2psyncError {
  switch (result.kind) {
    case 'problem':
      return new P2psyncError('PATH_DENIED', result.problem.message)
    case 'not-staged':
      return new P2psyncError('VERSION_UNAVAILABLE', `the content for ${path} is not there any more; try again`)
    case 'kept-by-ignored':
      return new P2psyncError('PATH_EXISTS', `${path} is a directory that ignored files keep; use --to with another path`)
    default:
      return assertNever(result)
  }
}

/** It knows what we stated there, and nothing else: what others say concurrently stays a matter for reconcile. */
function stamped(leaf: Leaf, own: Entry | null, dot: Dot): LiveEntry {
  const base: LiveEntry = leaf.kind === 'symlink' ? { kind: 'symlink', target: leaf.target, mtime: leaf.mtime, vv: own?.vv ?? {}, dots: [dot] } : fileEntry(leaf, own, dot)
  return restamp(base, [], dot) as LiveEntry
}

function fileEntry({ size, mode, mtime, cid, chunk }: KeptFile, own: Entry | null, dot: Dot): LiveEntry {
  return { kind: 'file', size, mode, mtime, cid, ...(chunk === undefined ? {} : { chunk }), vv: own?.vv ?? {}, dots: [dot], mdot: dot }
}

async function state(context: FolderContext, change: Change): Promise<void> {
  context.work.markScan(await commit(context, [change]))
  if (context.ports.remotes.list().length > 0) context.work.markDirty([change.path])
}
