/** A real folder for tests of disk/: the disk under test, an index in memory that believes every finding, and short ways to act. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { silentLog } from '../../base/log.ts'
import { createMarker, openDisk } from '../../daemon/disk/open.ts'
import type { DiskOptions, FolderDisk } from '../../daemon/disk/disk.ts'
import type { ApplyOp, ApplyResult, FileAttributes, Finding, KnownTree, Row, ScanRequest, SeenStat } from '../../daemon/ports.ts'
import { chunkId, contentList, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { ContentId, FolderId, PathKey } from '../../daemon/sync/ids.ts'
import { nameOf, parentOf } from '../../daemon/sync/path.ts'

export const FOLDER = 'ab'.repeat(32) as FolderId
export const OTHER_FOLDER = 'cd'.repeat(32) as FolderId
export const MTIME = '1700000000123457000'

/** At the precision that is synced: what Node sets below a microsecond differs between its versions. */
export function inMicroseconds(stat: { readonly mtimeNs: string }): string {
  return String((BigInt(stat.mtimeNs) / 1000n) * 1000n)
}

export interface Folder {
  readonly root: string
  readonly disk: FolderDisk
  readonly rows: Rows
  /** The daemon ends here (or never got further) and starts again on the same root. */
  again(options?: Partial<DiskOptions>): Promise<FolderDisk>
}

/** `closes`: false for a disk that dies in the middle. */
export async function openFolder(t: Assert, options: Partial<DiskOptions> = {}, closes = true): Promise<Folder> {
  const root = options.root ?? join(await t.tmp(), 'folder')
  fs.mkdirSync(root, { recursive: true })
  await createMarker(root, FOLDER)
  const again = async (more: Partial<DiskOptions> = {}): Promise<FolderDisk> => {
    const disk = await openDisk({ root, folder: FOLDER, log: silentLog, ...more })
    if (closes) t.teardown(async () => await disk.close())
    return disk
  }
  return { root, disk: await again(options), rows: new Rows(), again }
}

/** What an index holds after it took every finding. */
export class Rows implements KnownTree {
  readonly #lists = new Map<ContentId, ContentList>()
  readonly #rows = new Map<PathKey, Row>()
  /** Called before children are given, to act in the middle of a scan. */
  onChildren: (directory: PathKey) => void = () => undefined

  async row(path: PathKey): Promise<Row | null> {
    return this.#rows.get(path) ?? null
  }

  async children(directory: PathKey): Promise<ReadonlyMap<string, Row>> {
    this.onChildren(directory)
    const inside = [...this.#rows].filter(([path]) => parentOf(path) === directory)
    return new Map(inside.map(([path, row]) => [nameOf(path), row]))
  }

  async content(cid: ContentId): Promise<{ readonly list: ContentList } | null> {
    const list = this.#lists.get(cid)
    return list === undefined ? null : { list }
  }

  /** Held here by some file. */
  hold(list: ContentList): void {
    this.#lists.set(list.cid, list)
  }

  put(path: string, row: Row): void {
    this.#rows.set(path as PathKey, row)
  }

  seen(path: string): SeenStat {
    const seen = this.#rows.get(path as PathKey)?.seen
    if (seen === null || seen === undefined) throw new Error(`${path} was not seen`)
    return seen
  }

  take(finding: Finding): void {
    if (finding.kind === 'absent') this.#rows.set(finding.path, { entry: { kind: 'tombstone', vv: {}, dots: [] }, seen: null })
    if (finding.kind === 'present' && finding.node.kind === 'file') this.hold(finding.node.content)
    if (finding.kind === 'present') this.#rows.set(finding.path, { entry: { ...finding.node, vv: {}, dots: [] } as unknown as Entry, seen: finding.seen })
  }
}

export async function scan(folder: { disk: FolderDisk; rows: Rows }, request: Partial<ScanRequest> = {}): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const findings of folder.disk.scan({ paths: 'all', ignored: () => false, ...request }, folder.rows, new AbortController().signal)) {
    for (const finding of findings) {
      found.push(finding)
      folder.rows.take(finding)
    }
  }
  return found
}

/** `present a`, `absent b`, `problem c EACCES`, … sorted. */
export function told(findings: readonly Finding[]): string[] {
  return findings.map((finding) => `${finding.kind} ${finding.path}${finding.kind === 'problem' ? ` ${finding.problem.code}` : ''}`).sort()
}

export function listOf(data: string | Buffer): ContentList {
  const bytes = Buffer.from(data)
  return contentList(0, bytes.length === 0 ? [] : [{ id: chunkId(bytes), length: bytes.length }])
}

export async function stage(disk: FolderDisk, data: string | Buffer, likely?: FileAttributes): Promise<ContentId> {
  const list = listOf(data)
  const staged = await disk.stage(list)
  try {
    for (const { offset } of staged.missing()) await staged.write(offset, Buffer.from(data))
    await staged.seal(likely)
  } finally {
    await staged.release()
  }
  return list.cid
}

type Part<Kind extends ApplyOp['kind']> = Partial<Extract<ApplyOp, { readonly kind: Kind }>>

export function fileOp(path: string, data: string, more: Part<'file'> = {}): ApplyOp {
  return { kind: 'file', path: path as PathKey, expect: null, cid: listOf(data).cid, size: Buffer.byteLength(data), mode: 0o644, mtime: MTIME, displace: { to: 'history' }, ...more }
}

export function symlinkOp(path: string, target: string, more: Part<'symlink'> = {}): ApplyOp {
  return { kind: 'symlink', path: path as PathKey, expect: null, target, mtime: MTIME, displace: { to: 'history' }, ...more }
}

export function directoryOp(path: string, more: Part<'directory'> = {}): ApplyOp {
  return { kind: 'directory', path: path as PathKey, expect: null, mode: 0o755, displace: { to: 'history' }, ...more }
}

export function removeOp(path: string, expect: SeenStat, more: Part<'remove'> = {}): ApplyOp {
  return { kind: 'remove', path: path as PathKey, expect, displace: { to: 'history' }, ...more }
}

export function moveOp(from: string, path: string, source: SeenStat, more: Part<'move'> = {}): ApplyOp {
  return { kind: 'move', path: path as PathKey, expect: null, from: from as PathKey, source, mode: null, mtime: null, displace: { to: 'history' }, ...more }
}

export async function apply(disk: FolderDisk, ...ops: ApplyOp[]): Promise<readonly ApplyResult[]> {
  return await disk.apply(ops, () => false)
}

export async function applyOne(disk: FolderDisk, op: ApplyOp): Promise<ApplyResult> {
  return (await apply(disk, op))[0] as ApplyResult
}

export function statOf(root: string, path: string): SeenStat {
  const stat = fs.lstatSync(join(root, path), { bigint: true })
  return { ino: String(stat.ino), size: Number(stat.size), mtimeNs: String(stat.mtimeNs), ctimeNs: String(stat.ctimeNs), mode: Number(stat.mode) }
}

export function read(root: string, path: string): string {
  return fs.readFileSync(join(root, path), 'utf8')
}

/** The texts of all files in history, sorted. */
export function historyTexts(root: string): string[] {
  const kept = filesBelow(join(root, '.p2psync/history')).filter((file) => !file.endsWith('.paths'))
  return kept.map((file) => fs.readFileSync(file, 'utf8')).sort()
}

/** Paths below the root but for our own directory, sorted. */
export function tree(root: string): string[] {
  const names = fs.readdirSync(root, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name !== '.p2psync' && !name.startsWith('.p2psync/')).sort()
}

/** Names left in staging, which must be none when nothing is under way. */
export function leftInStaging(root: string): string[] {
  return ['swap', 'modes'].flatMap((area) => {
    const path = join(root, '.p2psync/staging', area)
    return fs.existsSync(path) ? fs.readdirSync(path) : []
  })
}

function filesBelow(path: string): string[] {
  if (!fs.existsSync(path)) return []
  return fs.readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? filesBelow(join(path, entry.name)) : entry.isFile() ? [join(path, entry.name)] : []))
}
