/**
 * Versions of a path: what this device's history holds, what the other devices state now, and what their histories hold. A version
 * is a content with its modification time; the same one on several devices is one version.
 */
import { sha256 } from '../../base/sha256.ts'
import { messageOf, PartialError } from '../../base/errors.ts'
import type { FolderIndex, HistoryQuery, HistoryRow, KeptVersion } from '../ports.ts'
import { contentOf, hasBytes } from '../sync/entry-compare.ts'
import type { FileEntry, SymlinkEntry } from '../sync/entry.ts'
import type { DeviceId, PathKey, WriterId } from '../sync/ids.ts'
import { newestPerDevice, type FolderContext } from './context.ts'
import type { Leaf } from './edit.ts'

export interface Holder {
  /** Null: this device. */
  readonly device: DeviceId | null
  /** When it was displaced there, ms; null: it stands there now. */
  readonly at: number | null
  readonly reason: HistoryRow['reason'] | 'current'
}

export interface Version {
  readonly id: string
  readonly path: PathKey
  readonly leaf: Leaf
  readonly writer: WriterId | null
  /** Never empty. */
  readonly holders: readonly Holder[]
}

const ID_CHARACTERS = 10
const NO_END = Number.MAX_SAFE_INTEGER

/** Short, and the same on every device: of content and modification time. */
export function versionId(leaf: Leaf): string {
  const content = leaf.kind === 'file' ? leaf.cid : leaf.target
  return Buffer.from(sha256(Buffer.from(JSON.stringify([leaf.kind, content, leaf.mtime])))).toString('hex').slice(0, ID_CHARACTERS)
}

/** What another device is told of our history. */
export async function ownHistory(index: FolderIndex, { path, after }: HistoryQuery): Promise<KeptVersion[]> {
  const versions: KeptVersion[] = []
  for await (const rows of index.history(path)) {
    for (const row of rows) if (row.at > after && hasBytes(row.entry)) versions.push(keptOf(row, row.entry))
  }
  return versions
}

/** Newest first: what stands somewhere now, then by the time at which it last went. `silent`: connected devices that did not answer. */
export async function versionsOf(context: FolderContext, path: PathKey, signal: AbortSignal): Promise<{ readonly versions: readonly Version[]; readonly silent: readonly DeviceId[] }> {
  const { index } = context.ports
  const [row, [statements], own, others] = await Promise.all([index.row(path), index.remoteRows([path]), ownHistory(index, { path, after: 0 }), askOthers(context, { path, after: 0 }, signal)])
  const found = new Gathering(path)
  if (row !== null && row.ignored !== true && row.blocked === undefined && hasBytes(row.entry)) found.add(leafOf(row.entry), row.entry.dots.at(-1)?.[0] ?? null, { device: null, at: null, reason: 'current' })
  for (const { device, entry } of newestPerDevice(statements ?? [])) if (hasBytes(entry)) found.add(leafOf(entry), entry.dots.at(-1)?.[0] ?? null, { device, at: null, reason: 'current' })
  for (const kept of own) found.add(kept.content, kept.writer, { device: null, at: kept.at, reason: kept.reason })
  for (const [device, kept] of others.answers) for (const version of kept) found.add(version.content, version.writer, { device, at: version.at, reason: version.reason })
  return { versions: found.newestFirst(), silent: others.silent }
}

export interface Answers {
  readonly answers: ReadonlyMap<DeviceId, readonly KeptVersion[]>
  /** Those that did not tell all. */
  readonly silent: readonly DeviceId[]
}

/** Every connected device that has the folder. */
export async function askOthers({ ports }: FolderContext, query: HistoryQuery, signal: AbortSignal): Promise<Answers> {
  const answers = new Map<DeviceId, readonly KeptVersion[]>()
  const silent: DeviceId[] = []
  const take = (device: DeviceId, versions: readonly KeptVersion[]): void => void answers.set(device, versions.filter((version) => query.path === null || version.path === query.path))
  const ask = async (device: DeviceId): Promise<void> => {
    try {
      take(device, await ports.peers.history(device, query, signal))
    } catch (error) {
      if (signal.aborted) throw error
      ports.log.debug({ device, error: messageOf(error) }, 'a device did not tell its history, or a part of it only')
      silent.push(device)
      if (error instanceof PartialError) take(device, error.part as readonly KeptVersion[])
    }
  }
  await Promise.all(ports.peers.connected().filter((peer) => peer.report !== null).map(async (peer) => await ask(peer.device)))
  return { answers, silent }
}

export function leafOf(entry: FileEntry | SymlinkEntry): Leaf {
  if (entry.kind === 'symlink') return { kind: 'symlink', target: entry.target, mtime: entry.mtime }
  const { size, mode, mtime, cid, chunk } = entry
  return { kind: 'file', size, mode, mtime, cid, ...(chunk === undefined ? {} : { chunk }) }
}

function keptOf(row: HistoryRow, entry: FileEntry | SymlinkEntry): KeptVersion {
  return { path: row.path, content: leafOf(entry), writer: entry.dots.at(-1)?.[0] ?? null, at: row.at, reason: row.reason }
}

/** The devices to ask for a version's bytes. */
export function sourcesOf(version: Version): DeviceId[] {
  return [...new Set(version.holders.flatMap(({ device }) => device ?? []))]
}

class Gathering {
  readonly #path: PathKey
  readonly #versions = new Map<string, Version>()

  constructor(path: PathKey) {
    this.#path = path
  }

  add(leaf: Leaf, writer: WriterId | null, holder: Holder): void {
    const id = versionId(leaf)
    const known = this.#versions.get(id) ?? { id, path: this.#path, leaf, writer, holders: [] }
    this.#versions.set(id, { ...known, writer: known.writer ?? writer, holders: [...known.holders, holder] })
  }

  newestFirst(): Version[] {
    const end = (version: Version): number => Math.max(...version.holders.map(({ at }) => at ?? NO_END))
    return [...this.#versions.values()].sort((a, b) => end(b) - end(a) || compareTimes(b.leaf.mtime, a.leaf.mtime) || (contentOfLeaf(a) < contentOfLeaf(b) ? -1 : 1))
  }
}

function contentOfLeaf({ leaf }: Version): string {
  return contentOf(leaf.kind === 'file' ? { ...leaf, vv: {}, dots: [], mdot: ['' as WriterId, 0] } : { ...leaf, vv: {}, dots: [] })
}

function compareTimes(a: string, b: string): number {
  const difference = BigInt(a) - BigInt(b)
  return difference === 0n ? 0 : difference > 0n ? 1 : -1
}
