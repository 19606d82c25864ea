/** Disk → own drive: what a scan found becomes statements (R3, R12), after the root was seen to be ours before and after. */
import { P2psyncError } from '../../base/errors.ts'
import { BATCH_ENTRIES } from '../../base/limits.ts'
import type { Disk, Finding, Problem, RemoteRow, Row, SeenStat } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import { knownVersion, localChange, type LocalChange, type LocalNode } from '../sync/diff.ts'
import type { Entry } from '../sync/entry.ts'
import { contentKey, hasBytes, sameContent, sameEntry } from '../sync/entry-compare.ts'
import type { ChunkId, PathKey } from '../sync/ids.ts'
import { parentOf } from '../sync/path.ts'
import type { DirectoryMove } from '../sync/relocation.ts'
import { compareVersions } from '../sync/version.ts'
import { commit, knownBlob, type Change } from './commit.ts'
import { endProblem, isOpen, newestPerDevice, type FolderContext } from './context.ts'
import { gatherGone, lookedAgain, missed, nothingGone, tellGone, type Gone, type Moved, type StateFinding } from './gone.ts'
import { FLAG, type Gone as Missed, type Side } from './guard.ts'
import { isIgnoreFile } from './rules.ts'
import type { ScanWork } from './work.ts'

/**
 * Looks at the disk and publishes what changed. Stops early, with nothing more published, at the signal. Throws FOLDER_HALTED when the
 * root is not ours any more: what was found before stands, and the rest is to be looked at once more, also if it is back at once.
 */
export async function scanAndPublish(context: FolderContext, work: ScanWork, signal = context.signal): Promise<{ readonly unstable: readonly PathKey[] }> {
  const { aside, moving } = context
  const { disk, index, watcher } = context.ports
  const unstable: PathKey[] = []
  const request = {
    rehash: work.rehash,
    ignored: (path: PathKey, isDirectory: boolean) => moving.concerns(path) || aside.at(path) !== null || context.rules.ignored(path, isDirectory),
    onMovedDirectory: (move: DirectoryMove) => tellMoved(context, move),
    onDirectory: (directory: PathKey) => watcher.watch([directory]),
    onChunk: (chunk: ChunkId, data: Buffer) => context.recent.put(chunk, data),
    // Whatever another device states of it waits for no rest, and neither does who asks for all.
    ...(work.paths === 'all' ? {} : { rests: (path: PathKey) => !context.refusals.has(path) && !isOpen(context, path) && context.resting.rests(path) }),
    onLongRead: (path: PathKey, bytes: number, ms: number) => context.resting.read(path, bytes, ms)
  }
  // What is gone is told at the end, when it is known what else appeared and how much is missing (R27).
  const { files } = index.totals
  const look: Look = async (paths, gone) => {
    for await (const findings of disk.scan({ ...request, paths }, index, signal)) {
      if (findings.some((finding) => finding.kind === 'absent')) await expectRoot(disk)
      for (const path of await publishFindings(context, findings, gone)) unstable.push(path)
      if (gone.moved.length >= context.movedAtOnce) for (const path of await publishMoved(context, gone)) unstable.push(path)
      if (signal.aborted) return false
    }
    return !signal.aborted
  }
  const gone = nothingGone()
  if (!(await look(work.paths, gone)) || !(await gatherGone(context, gone, files, async (paths) => await look(paths, gone)))) return { unstable }
  for (const path of await publishGone(context, gone, files, work.paths === 'all', look)) unstable.push(path)
  return { unstable }
}

async function expectRoot(disk: Disk): Promise<void> {
  const state = await disk.inspect()
  if (state.kind === 'halted') throw new P2psyncError('FOLDER_HALTED', state.message)
}

/** @returns false if it was broken off: then nothing of what is gone is certain. */
type Look = (paths: ScanWork['paths'], gone: Gone) => Promise<boolean>

async function publishFindings(context: FolderContext, findings: readonly Finding[], gone: Gone): Promise<readonly PathKey[]> {
  const unstable: PathKey[] = []
  const states: StateFinding[] = []
  const problems: Problem[] = []
  for (const finding of findings) {
    if (isWithheld(context, finding)) continue
    if (finding.kind === 'present') (finding.moved === undefined ? states : gone.moved).push(finding)
    else if (finding.kind === 'absent') {
      context.resting.gone(finding.path)
      missed(gone, finding)
    }
    else if (finding.kind === 'unstable') unstable.push(finding.path)
    else if (finding.kind === 'problem') problems.push({ ...finding.problem, path: finding.path })
    else heal(context, finding.path)
  }
  if (states.length > 0) unstable.push(...(await publishStates(context, states, gone.absent)))
  // After its state, which ends older problems: a directory may get a mode with which it cannot be read.
  for (const problem of problems) context.problems.set(problem.path, problem)
  return unstable
}

/** Before its paths are stated one by one: only the topmost, and one at a time. */
function tellMoved(context: FolderContext, move: DirectoryMove): void {
  if (context.moving.told !== null || context.guard.deciding) return
  context.moving.told = move
  context.tell()
}

/** R46, R48: what is above a directory that moves or is set aside ends with what is in it, and that is looked at later. */
function isWithheld({ aside, moving }: FolderContext, finding: Finding): boolean {
  if (!moving.isAbove(finding.path) && !aside.isAbove(finding.path)) return false
  return finding.kind === 'absent' || (finding.kind === 'present' && finding.node.kind !== 'directory')
}

function heal(context: FolderContext, path: PathKey): void {
  context.problems.delete(path)
  if (context.blocked.delete(path)) context.work.markDirty([path])
}

/**
 * Before the scan is over, so that a directory of a million files that moved is not held as a whole. A file that moved is no deletion
 * (R27): once it has turned up there is nothing to be judged, and the pair counts neither as one nor as something new.
 */
async function publishMoved(context: FolderContext, gone: Gone): Promise<readonly PathKey[]> {
  if (context.guard.deciding) return []
  const { moved } = gone
  gone.moved = []
  const rows = await context.ports.index.rows(moved.map(({ path }) => path))
  const pairs: StateFinding[] = []
  for (const [i, state] of moved.entries()) {
    const end = state.moved === undefined ? undefined : gone.absent.get(state.moved.from)
    if (end?.kind !== 'absent' || replacesDirectory(state, rows[i] ?? null)) {
      gone.others.push(state)
      continue
    }
    pairs.push(state, end)
    gone.absent.delete(end.path)
    gone.left.add(parentOf(end.path))
  }
  return await publishInSlices(context, pairs)
}

async function publishInSlices(context: FolderContext, states: readonly StateFinding[]): Promise<PathKey[]> {
  const again: PathKey[] = []
  for (let start = 0; start < states.length && !context.signal.aborted; start += BATCH_ENTRIES) {
    for (const path of await publishStates(context, states.slice(start, start + BATCH_ENTRIES), null)) again.push(path)
  }
  context.unread(states.flatMap((state) => (state.kind === 'present' && state.moved?.unread === true ? [state.path] : [])))
  return again
}

/** `gone`: gets what took the place of a directory, which must not be told before the end of what was in it; null: nothing waits. */
async function publishStates(context: FolderContext, states: readonly StateFinding[], gone: Gone['absent'] | null): Promise<readonly PathKey[]> {
  const { index } = context.ports
  const paths = states.map((state) => state.path)
  // All at once: each wait is a trip to the database.
  const [rows, remotes, blobs] = await Promise.all([index.rows(paths), index.remoteRows(paths), Promise.all(states.map((state) => knownBlob(context, listOf(state))))])
  const changes: Change[] = []
  const again: PathKey[] = []
  const dropped: { path: PathKey; row: Row }[] = []
  const restamps: { path: PathKey; row: Row }[] = []
  for (const [i, state] of states.entries()) {
    const before = rows[i] ?? null
    if (gone !== null && replacesDirectory(state, before)) {
      gone.set(state.path, state)
      continue
    }
    const statements = newestPerDevice(remotes[i] ?? []).map((row) => row.entry)
    const decided = decide(context, state, before, statements)
    const seen = await payOwed(context, state, decided)
    if (state.kind === 'present' && seen === null) {
      again.push(state.path)
      continue
    }
    if (decided.kind !== 'same') changes.push({ ...changeOf(context, state, before, decided.entry, seen), blob: blobs[i] ?? null })
    else if (before?.ignored === true) dropped.push({ path: state.path, row: before })
    // A row that a crash or a new drive left without a stat: whether it is stated, and its content known, is not certain.
    else if (before !== null && before.seen === null && seen !== null) changes.push({ ...changeOf(context, state, before, before.entry, seen), blob: blobs[i] ?? null })
    else if (before !== null && seen !== null) restamps.push({ path: state.path, row: { ...thereAgain(context, state.path, before), seen } })
    endProblem(context, state.path, state.kind === 'absent')
  }
  await restamp(context, restamps)
  await drop(context, dropped)
  const unreadable = await commit(context, changes)
  afterLocal(context, changes, new Map(states.map((state, i) => [state.path, remotes[i] ?? []])))
  return [...again, ...unreadable]
}

function changeOf(context: FolderContext, state: StateFinding, before: Row | null, decided: Entry, seen: SeenStat | null): Change {
  const { guard } = context
  if (state.kind === 'present' && state.moved === undefined && hasBytes(decided) && !sameContent(before?.entry ?? null, decided)) guard.appearedHere(state.path, contentKey(decided), hasBytes(before?.entry ?? null))
  const entry: Entry = decided.kind === 'tombstone' && guard.isApproved(state.path, 'here') ? { ...decided, approved: true } : decided
  return { path: state.path, before, entry, row: { entry, seen }, list: listOf(state), kept: null, from: 'local' }
}

/** It may have been missed before. */
function thereAgain({ guard }: FolderContext, path: PathKey, row: Row): Row {
  if (row.blocked?.code !== FLAG.here) return row
  guard.forget(path)
  const { blocked: _, ...rest } = row
  return rest
}

function replacesDirectory(state: StateFinding, before: Row | null): boolean {
  return state.kind === 'present' && state.node.kind !== 'directory' && before?.entry.kind === 'directory' && before.ignored !== true
}

/** The end of a scan: what of it may go is published, the rest waits for the user (R28). What goes meanwhile is told as soon as it is found. */
async function publishGone(context: FolderContext, found: Gone, files: number, all: boolean, look: Look): Promise<readonly PathKey[]> {
  const again: PathKey[] = []
  let going = await judgeGone(context, found, files, all, [])
  while (going.length > 0 && !context.signal.aborted) {
    again.push(...(await publishInSlices(context, going.slice(0, BATCH_ENTRIES))))
    going = going.slice(BATCH_ENTRIES)
    const hinted = going.length > 0 ? context.work.takeHints() : null
    if (hinted === null) continue
    const more = nothingGone()
    if (!(await look(hinted, more))) return again
    const left = lookedAgain(going, hinted, more)
    // A look at a directory that is there tells nothing of what is further below.
    const isLeft = new Set(left)
    context.work.markScan(going.filter((state) => !isLeft.has(state)).map(({ path }) => path))
    going = [...left, ...(await judgeGone(context, more, context.ports.index.totals.files - left.length, false, context.aside.told))]
  }
  return again
}

/** `told`: what was told of what may go already. @returns what of it may go, each file that moved with its end. */
async function judgeGone(context: FolderContext, found: Gone, files: number, all: boolean, told: readonly PathKey[]): Promise<readonly StateFinding[]> {
  const { guard, ports } = context
  const { absent, moved } = await sortOut(context, found)
  const rows = await rowsOf(context, absent)
  const judged: Missed[] = []
  for (const [i, state] of absent.entries()) {
    const row = rows[i] ?? null
    if (row === null || row.ignored === true || row.entry.kind === 'tombstone') continue
    judged.push({ path: state.path, entry: row.entry, flagged: row.blocked?.code === FLAG.here, replaced: state.kind === 'present' })
  }
  const { waiting, released } = guard.judgeHere(judged, files, ports.clock.now(), all)
  await flag(context, judged.filter(({ path, flagged }) => waiting.has(path) && !flagged).map(({ path }) => path), 'here')
  await lookAnew(context, released)
  const missing = absent.flatMap((state, i): [PathKey, Row | null][] => (state.kind === 'absent' ? [[state.path, rows[i] ?? null]] : []))
  tellGone(context, missing, [...waiting, ...found.left, ...moved.flatMap((state) => state.moved?.from ?? [])], told)
  return inPairs(moved, absent.filter(({ path }) => !waiting.has(path)))
}

/** Those that the scan has read are not read again. */
async function rowsOf({ ports }: FolderContext, states: readonly StateFinding[]): Promise<readonly (Row | null)[]> {
  const unread = states.flatMap((state) => (state.kind === 'absent' && state.row !== null ? [] : [state.path]))
  const read = (await ports.index.rows(unread)).values()
  return states.map((state) => (state.kind === 'absent' && state.row !== null ? state.row : (read.next().value ?? null)))
}

/** What moved counts as having appeared before what is gone is judged (R27). What moved to the place of a directory follows what was in it. */
async function sortOut({ guard, ports }: FolderContext, gone: Gone): Promise<{ readonly absent: readonly StateFinding[]; readonly moved: readonly Moved[] }> {
  const moved = [...gone.others, ...gone.moved]
  const rows = await ports.index.rows(moved.map(({ path }) => path))
  const sorted: { absent: StateFinding[]; moved: Moved[] } = { absent: [...gone.absent.values()], moved: [] }
  for (const [i, state] of moved.entries()) {
    const { path, node } = state
    const before = rows[i] ?? null
    if (node.kind === 'file' && !(before?.entry.kind === 'file' && before.entry.cid === node.content.cid)) guard.appearedHere(path, `file:${node.content.cid}`, hasBytes(before?.entry ?? null))
    if (replacesDirectory(state, before)) sorted.absent.push(state)
    else sorted.moved.push(state)
  }
  return sorted
}

/** Each file that moved, with the end of it at its old place right behind it. */
function inPairs(moved: readonly Moved[], absent: readonly StateFinding[]): readonly StateFinding[] {
  const left = new Map(absent.map((state) => [state.path, state]))
  const states: StateFinding[] = []
  for (const state of moved) {
    states.push(state)
    const end = state.moved === undefined ? undefined : left.get(state.moved.from)
    if (end?.kind !== 'absent') continue
    states.push(end)
    left.delete(end.path)
  }
  return [...states, ...left.values()]
}

/** Whether it is gone is not known for sure any more: also what stands there unchanged is reported by the next scan. */
export async function lookAnew(context: FolderContext, paths: readonly PathKey[]): Promise<void> {
  if (paths.length === 0) return
  const { index } = context.ports
  const rows = await index.rows(paths)
  const batch = index.batch()
  for (const [i, path] of paths.entries()) {
    const row = rows[i] ?? null
    if (row !== null && row.entry.kind !== 'tombstone') batch.putRow(path, { ...row, seen: null })
  }
  await batch.flush()
  context.work.markScan(paths)
}

/** So that a restart finds it waiting. */
export async function flag(context: FolderContext, paths: readonly PathKey[], side: Side): Promise<void> {
  if (paths.length === 0) return
  const { index, log } = context.ports
  log.warn({ paths: paths.length, side }, 'a mass deletion waits for a decision')
  const rows = await index.rows(paths)
  const batch = index.batch()
  for (const [i, path] of paths.entries()) {
    const row = rows[i] ?? null
    if (row !== null) batch.putRow(path, { ...row, blocked: { code: FLAG[side], message: 'part of a mass deletion that waits for a decision' } })
  }
  await batch.flush()
}

/** A row that left the drive as ignored counts as a local change when it is looked at again (R31). */
function decide(context: FolderContext, state: StateFinding, before: Row | null, remotes: readonly Entry[]): LocalChange {
  const found: LocalNode | null = state.kind === 'present' ? state.node : null
  const own = before?.entry ?? null
  const { take } = context.counter
  if (before?.ignored !== true) return localChange({ own, found, merged: knownVersion(own, remotes, found), take })
  const fresh = localChange({ own: null, found, merged: null, take })
  if (fresh.kind !== 'change' || own === null) return fresh
  return { kind: 'change', entry: { ...fresh.entry, vv: { ...own.vv, ...fresh.entry.vv } } }
}

/** What is adopted is stated as it is, so the disk is given its mode and mtime first; null if it changed meanwhile. */
async function payOwed(context: FolderContext, state: StateFinding, decided: LocalChange): Promise<SeenStat | null> {
  if (state.kind === 'absent') return null
  if (decided.kind !== 'adopt' || decided.owed === null) return state.seen
  const op = { kind: 'attributes', path: state.path, expect: state.seen, ...decided.owed } as const
  const [result] = await context.ports.disk.apply([op], context.rules.ignored)
  return result?.kind === 'done' ? result.seen : null
}

function listOf(state: StateFinding): ContentList | null {
  return state.kind === 'present' && state.node.kind === 'file' ? state.node.content : null
}

/** It went while it was ignored, which is no deletion: what others state of it counts again. */
async function drop(context: FolderContext, rows: readonly { path: PathKey; row: Row }[]): Promise<void> {
  if (rows.length === 0) return
  const batch = context.ports.index.batch()
  for (const { path, row } of rows) {
    batch.delRow(path)
    if (row.entry.kind === 'file') batch.delPlace(row.entry.cid, { area: 'tree', path })
  }
  await batch.flush()
  context.work.markDirty(rows.map((item) => item.path))
}

async function restamp(context: FolderContext, rows: readonly { path: PathKey; row: Row }[]): Promise<void> {
  if (rows.length === 0) return
  const batch = context.ports.index.batch()
  for (const { path, row } of rows) batch.putRow(path, row)
  await batch.flush()
}

/** Others may state something of these paths that is not applied yet. */
function afterLocal(context: FolderContext, changes: readonly Change[], remotes: ReadonlyMap<PathKey, readonly RemoteRow[]>): void {
  const isBehind = ({ path, row }: Change): boolean => isOpen(context, path) || newestPerDevice(remotes.get(path) ?? []).some(({ entry }) => !covers(row.entry, entry))
  context.work.markDirty(changes.filter(isBehind).map((change) => change.path))
  if (changes.some((change) => isIgnoreFile(change.path))) context.work.markRules()
}

/** Whoever knows ours has nothing to learn from the other. */
function covers(ours: Entry, theirs: Entry): boolean {
  return compareVersions(ours.vv, theirs.vv) === 'dominates' || sameEntry(ours, theirs)
}
