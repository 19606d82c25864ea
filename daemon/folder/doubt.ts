/**
 * Files that may be older than the index (R18: put back from a backup), or rows of a former life (R12, R20). Each row is held against
 * the disk before anything is stated: what is missing is forgotten, not deleted; a content that was stated before, by us or by others,
 * takes that version, so that what came after it comes back; anything else counts as never seen.
 */
import type { DiskNode, Finding, IndexBatch, OwnDrive, RemoteRow, Row, SeenStat } from '../ports.ts'
import type { ContentList } from '../sync/content.ts'
import { agreesWith, owedBy } from '../sync/diff.ts'
import type { Entry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import { mergeEntries } from '../sync/merge.ts'
import type { FolderContext } from './context.ts'
import { Rules } from './rules.ts'

interface Known {
  readonly row: Row
  readonly remotes: readonly RemoteRow[]
}

interface Found extends Known {
  readonly node: DiskNode
  readonly seen: SeenStat
  /** What was said of this very content at this path, at any time. */
  readonly versions: Entry[]
}

/** @param former our own drive as the index knows it, for what it stated earlier; null if it cannot be read. */
export async function examineFiles(context: FolderContext, former: OwnDrive | null): Promise<void> {
  const { index, log } = context.ports
  const changed = new Map<PathKey, Found>()
  let missing = 0
  for await (const findings of await scanAll(context)) {
    const paths = findings.map((finding) => finding.path)
    const [rows, remotes] = await Promise.all([index.rows(paths), index.remoteRows(paths)])
    const batch = index.batch()
    for (const [i, finding] of findings.entries()) {
      const row = rows[i] ?? null
      if (row === null || row.ignored === true) continue
      const found = { row, remotes: remotes[i] ?? [] }
      if (finding.kind === 'present') changed.set(finding.path, { ...found, node: finding.node, seen: finding.seen, versions: [] })
      else if (finding.kind === 'absent' || finding.kind === 'unstable') forget(context, batch, finding.path, found)
      if (finding.kind === 'absent') missing++
    }
    await batch.flush()
  }
  await gatherVersions(former, changed)
  const known = await adopt(context, changed)
  log.warn({ missing, changed: changed.size, known }, 'files that may be older than what was known of them were compared with it')
}

async function scanAll({ ports: { disk, index }, signal }: FolderContext): Promise<AsyncIterable<readonly Finding[]>> {
  const rules = new Rules()
  await rules.reload(disk)
  return disk.scan({ paths: 'all', ignored: rules.ignored }, index, signal)
}

/** What others state of it counts again; the mark in the index has a start go on after a crash, when no row tells of the path any more. */
function forget(context: FolderContext, batch: IndexBatch, path: PathKey, { row, remotes }: Known): void {
  batch.delRow(path)
  if (row.entry.kind === 'file') batch.delPlace(row.entry.cid, { area: 'tree', path })
  for (const { device } of remotes) batch.setDivergent(device, path, true)
  context.work.markDirty([path])
}

async function gatherVersions(former: OwnDrive | null, changed: ReadonlyMap<PathKey, Found>): Promise<void> {
  const paths = [...changed.keys()]
  const note = (path: PathKey, entry: Entry | null): void => {
    const found = changed.get(path)
    if (found !== undefined && entry !== null && agreesWith(entry, found.node)) found.versions.push(entry)
  }
  for (const [path, { row, remotes }] of changed) {
    note(path, row.entry)
    for (const remote of remotes) note(path, remote.entry)
  }
  if (former === null || paths.length === 0) return
  for await (const statements of former.replay(0)) for (const { path, entry } of statements) note(path, entry)
}

/** @returns how many were known. The disk is given the mode and mtime of the version it takes. */
async function adopt(context: FolderContext, changed: ReadonlyMap<PathKey, Found>): Promise<number> {
  const { index, disk } = context.ports
  let known = 0
  for (const [path, found] of changed) {
    const { node, seen, versions } = found
    const batch = index.batch()
    const version = versions.length === 0 ? null : mergeEntries(versions).merged
    const now = version === null ? null : await giveAttributes(disk, path, version, node, seen)
    forget(context, batch, path, found)
    if (version !== null && now !== null) {
      known++
      batch.putRow(path, { entry: version, seen: now })
      const list = listOf(node)
      if (list !== null) batch.putContent(list, { area: 'tree', path }, null)
    }
    await batch.flush()
  }
  return known
}

async function giveAttributes(disk: FolderContext['ports']['disk'], path: PathKey, version: Entry, node: DiskNode, seen: SeenStat): Promise<SeenStat | null> {
  const owed = owedBy(version, node)
  if (owed.mode === null && owed.mtime === null) return seen
  const [result] = await disk.apply([{ kind: 'attributes', path, expect: seen, ...owed }], () => false)
  return result?.kind === 'done' ? result.seen : null
}

function listOf(node: DiskNode): ContentList | null {
  return node.kind === 'file' ? node.content : null
}
