/** What the suites of the disk's contract share: an index's part, and short ways to scan, stage and apply. */
import type { Assert } from 'brittle'
import type { ApplyOp, ApplyResult, Disk, Finding, KnownTree, Row, ScanRequest, SeenStat } from '../../daemon/ports.ts'
import { chunkId, contentList, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { ContentId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import type { DiskBench } from './disk-bench.ts'

export const HISTORY = { to: 'history' } as const
export const MTIME = '1700000000123456000'

/** At the precision that is synced: what Node sets below a microsecond differs between its versions. */
export function inMicroseconds(stat: { readonly mtimeNs: string } | null | undefined): string | null {
  return stat ? String((BigInt(stat.mtimeNs) / 1000n) * 1000n) : null
}
export const never: ScanRequest['ignored'] = () => false

/** A disk, its user, and what an index would know of it. */
export interface Bench extends DiskBench {
  readonly known: MemoryTree
}

export type Check = (what: string, run: (t: Assert, bench: Bench) => Promise<void>) => void

/** What an index would know: rows by path. */
export class MemoryTree implements KnownTree {
  readonly #lists = new Map<ContentId, ContentList>()
  readonly #rows = new Map<string, Row>()

  async row(path: PathKey): Promise<Row | null> {
    return this.#rows.get(path) ?? null
  }

  async children(directory: PathKey): Promise<ReadonlyMap<string, Row>> {
    const start = directory === '' ? '' : `${directory}/`
    const below = [...this.#rows].filter(([path]) => path.startsWith(start) && !path.slice(start.length).includes('/'))
    return new Map(below.map(([path, row]) => [path.slice(start.length), row]))
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
    this.#rows.set(path, row)
  }

  change(path: string, change: (row: Row) => Row): void {
    const row = this.#rows.get(path)
    if (row === undefined) throw new Error(`not known: ${path}`)
    this.#rows.set(path, change(row))
  }
}

export const WRITER = '0123456789abcdef' as WriterId
export const VERSION = { vv: { [WRITER]: 1 }, dots: [[WRITER, 1]] } as const

export function tombstone(): Entry {
  return { kind: 'tombstone', ...VERSION }
}

export function fileEntry(list: ContentList, mode: number): Entry {
  return { kind: 'file', ...VERSION, mdot: [WRITER, 1], mode, size: list.size, mtime: MTIME, cid: list.cid }
}

export function entryOf({ node }: Extract<Finding, { kind: 'present' }>): Entry {
  if (node.kind === 'directory') return { kind: 'directory', ...VERSION, mdot: [WRITER, 1], mode: node.mode }
  if (node.kind === 'symlink') return { kind: 'symlink', ...VERSION, mtime: node.mtime, target: node.target }
  return { kind: 'file', ...VERSION, mdot: [WRITER, 1], mode: node.mode, size: node.size, mtime: node.mtime, cid: node.content.cid }
}

// ------------------------------------------------------------------------------------------------ helpers

export function key(path: string): PathKey {
  return path as PathKey
}

export function paths(...given: string[]): PathKey[] {
  return given.map(key)
}

export async function scan(bench: Bench, request: Partial<ScanRequest> = {}): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const batch of bench.disk.scan({ paths: 'all', ignored: never, ...request }, bench.known, new AbortController().signal)) found.push(...batch)
  return withContents(bench, found)
}

/** For `summary`: the bytes behind each file. */
export const texts = new WeakMap<Finding, string>()

export async function withContents(bench: Bench, found: Finding[]): Promise<Finding[]> {
  for (const finding of found) {
    if (finding.kind === 'present' && finding.node.kind === 'file') texts.set(finding, await wholeContent(bench.disk, finding.path, finding.node.content))
  }
  return found
}

/** Reads the chunks of a list; a wrong byte shows as a question mark. */
export async function wholeContent(disk: Disk, path: string, list: ContentList): Promise<string> {
  let [text, offset] = ['', 0]
  for (const chunk of list.chunks) {
    const data = await disk.read({ area: 'tree', path }, offset, chunk.length)
    text += data !== null && chunkId(data) === chunk.id ? data.toString('latin1') : '?'
    offset += chunk.length
  }
  return text
}

/** The index takes over what a scan finds. */
export async function absorb(bench: Bench, ignored: ScanRequest['ignored'] = never): Promise<void> {
  for (const finding of await scan(bench, { ignored })) {
    if (finding.kind === 'present') bench.known.put(finding.path, { entry: entryOf(finding), seen: finding.seen })
    if (finding.kind === 'present' && finding.node.kind === 'file') bench.known.hold(finding.node.content)
  }
}

export async function someTree(bench: Bench): Promise<void> {
  await bench.user.mkdir('d')
  await bench.user.mkdir('d/e')
  await bench.user.write('d/e/f', 'one')
  await bench.user.write('empty', '')
  await bench.user.symlink('l', 'd/e/f')
}

export function line(finding: Finding): string {
  if (finding.kind === 'problem') return `problem ${finding.path} ${finding.problem.code}`
  if (finding.kind !== 'present') return `${finding.kind} ${finding.path}`
  const { node } = finding
  const what = node.kind === 'file' ? (texts.get(finding) ?? '') : node.kind === 'symlink' ? node.target : node.mode.toString(8)
  return `present ${finding.path} ${node.kind} ${what}`
}

/** In no order. */
export function summary(found: readonly Finding[]): string[] {
  return found.map(line).sort()
}

export function order(found: readonly Finding[]): string[] {
  return found.map(line)
}

export async function haltCode(disk: Disk): Promise<string> {
  const state = await disk.inspect()
  return state.kind === 'halted' ? state.code : state.kind
}

export function content(...texts: string[]): { list: ContentList; pieces: Buffer[] } {
  const pieces = texts.map((text) => Buffer.from(text))
  return { list: contentList(0, pieces.map((piece) => ({ id: chunkId(piece), length: piece.length }))), pieces }
}

/** A sealed content of these chunks. */
export async function stage(bench: Bench, ...texts: string[]): Promise<ContentList> {
  const { list, pieces } = content(...texts)
  const staged = await bench.disk.stage(list)
  for (const { chunk, offset } of staged.missing()) await staged.write(offset, pieces.find((piece) => chunkId(piece) === chunk.id) as Buffer)
  await staged.seal()
  await staged.release()
  return list
}

export async function apply(bench: Bench, ...ops: ApplyOp[]): Promise<readonly ApplyResult[]> {
  return await bench.disk.apply(ops, never)
}

export function create(path: string, list: { readonly cid: ContentId; readonly size: number }): Extract<ApplyOp, { kind: 'file' }> {
  return { kind: 'file', path: key(path), expect: null, cid: list.cid, size: list.size, mode: 0o644, mtime: MTIME, displace: HISTORY }
}

export function directory(path: string, mode = 0o755): Extract<ApplyOp, { kind: 'directory' }> {
  return { kind: 'directory', path: key(path), expect: null, mode, displace: HISTORY }
}

export async function seen(bench: Bench, path: string): Promise<SeenStat> {
  const stat = await bench.user.stat(path)
  if (stat === null) throw new Error(`not there: ${path}`)
  return stat
}
