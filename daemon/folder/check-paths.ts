/** The checker's largest part: each path as index row, statement of our drive, blocks, places of its content, and what is on disk. */
import type { FolderIndex, Look, Row, SeenStat, Stated, Verified } from '../ports.ts'
import { isLive, sameEntry } from '../sync/entry-compare.ts'
import type { ContentId, ObjectId, PathKey } from '../sync/ids.ts'
import { compareVersions } from '../sync/version.ts'
import type { CheckWorld, Fault, FaultCode } from './check.ts'
import type { FolderContext } from './context.ts'
import { forgetStatement, stateAgain, takeOver } from './check-repair.ts'
import { lookAnew } from './local.ts'

/** Of one act. */
const SLICE_PATHS = 100
/** Files read at once. */
const READS_AT_ONCE = 4

/** What is known of a path before the cycle is asked. */
interface Gathered {
  readonly path: PathKey
  readonly row: Row | null
  readonly stated: Stated | null
  /** Null: nothing of ours has to stand there. */
  readonly look: Look | null
  readonly verified: Verified | null
  readonly isPlaced: boolean
}

export async function* checkPaths(world: CheckWorld, only: readonly Fault[] | null): AsyncGenerator<Fault> {
  if (only !== null) {
    const paths = [...new Set(only.map(({ path }) => path as PathKey))]
    for (let start = 0; start < paths.length; start += SLICE_PATHS) yield* checkSlice(world, paths.slice(start, start + SLICE_PATHS), false)
    return
  }
  const { index, own } = world.context.ports
  for await (const rows of index.all()) yield* checkAll(world, rows.map(({ path }) => path))
  // What the drive states beyond the index.
  for await (const paths of own.paths()) {
    const rows = await index.rows(paths)
    yield* checkAll(world, paths.filter((_path, i) => rows[i] === null))
  }
}

async function* checkAll(world: CheckWorld, paths: readonly PathKey[]): AsyncGenerator<Fault> {
  for (let start = 0; start < paths.length; start += SLICE_PATHS) {
    world.signal.throwIfAborted()
    yield* checkSlice(world, paths.slice(start, start + SLICE_PATHS), true)
  }
}

async function* checkSlice(world: CheckWorld, paths: readonly PathKey[], count: boolean): AsyncGenerator<Fault> {
  const gathered: Gathered[] = []
  for (let start = 0; start < paths.length; start += READS_AT_ONCE) {
    gathered.push(...(await Promise.all(paths.slice(start, start + READS_AT_ONCE).map(async (path) => await gatherPath(world.context, path)))))
  }
  if (count) for (const each of gathered) countPath(world, each)
  const faults = await world.act(async ({ ports: { index, own } }) => {
    const [rows, stated] = await Promise.all([index.rows(paths), own.stated(paths)])
    return gathered.flatMap((each, i) => judge(each, rows[i] ?? null, stated[i] ?? null))
  })
  yield* faults
}

function countPath({ checked }: CheckWorld, { look, verified }: Gathered): void {
  checked.paths++
  checked.blocks += verified?.blocks ?? 0
  if (look?.kind !== 'file') return
  checked.files++
  checked.bytes += look.content.size
}

async function gatherPath({ ports: { index, own, disk } }: FolderContext, path: PathKey): Promise<Gathered> {
  const [[row = null], [stated = null]] = await Promise.all([index.rows([path]), own.stated([path])])
  const look = row === null || isOnDisk(row) ? await disk.look({ area: 'tree', path }) : null
  const verified = stated === null || look?.kind !== 'file' ? null : await own.verify(stated)
  const isPlaced = row === null || row.entry.kind !== 'file' || look?.kind !== 'file' || (await standsIn(index, path, row.entry.cid))
  return { path, row, stated, look, verified, isPlaced }
}

/** What is held back or left alone by a rule (R10, R28, R31, R39) need not agree with the disk. */
function isOnDisk(row: Row): boolean {
  return isLive(row.entry) && row.shadow !== true && row.ignored !== true && row.blocked === undefined
}

/** The index finds the content, this place of it, and each of its chunks. */
async function standsIn(index: FolderIndex, path: PathKey, cid: ContentId): Promise<boolean> {
  const [content, places] = await Promise.all([index.content(cid), index.places(cid)])
  if (content === null || content.list.cid !== cid || !places.some((place) => place.area === 'tree' && place.path === path)) return false
  for (const { id } of content.list.chunks) if ((await index.find(id as string as ObjectId))?.kind !== 'chunk') return false
  return true
}

/** `row` and `stated` are of one moment; where they are not those that were gathered, somebody works there. */
function judge(gathered: Gathered, row: Row | null, stated: Stated | null): Fault[] {
  if (!isSame(gathered.row, row) || !isSame(gathered.stated, stated) || gathered.look?.kind === 'unstable') return []
  if (row === null) return stated === null ? [] : [notIndexed(gathered, stated)]
  if (row.ignored === true) return []
  const onDisk = isOnDisk(row) ? judgeDisk(gathered, row) : null
  if (onDisk !== null) return [onDisk]
  const faults: Fault[] = []
  if (!sameEntry(stated?.entry ?? null, row.entry)) faults.push(notStated(gathered, row, stated))
  else if (gathered.verified !== null && gathered.verified.fault !== null) faults.push(unreadableBlocks(gathered, row, gathered.verified.fault))
  if (!gathered.isPlaced) faults.push(placeMissing(gathered))
  return faults
}

function judgeDisk({ path, look }: Gathered, row: Row): Fault | null {
  if (look === null) return null
  if (look.kind === 'problem') return fault(path, 'unreadable', look.problem.message, '', null)
  const scan = async ({ work }: FolderContext): Promise<void> => work.markScan([path])
  if (look.kind === 'nothing') return fault(path, 'unnoticed', `${path} is not on disk, and nobody noticed; a scan tells the others`, '', scan)
  if (look.kind === 'unstable') return null
  if (look.kind !== row.entry.kind || row.seen === null || !isUntouched(row.seen, look.seen)) {
    return fault(path, 'unnoticed', `${path} changed on disk, and nobody noticed; a scan tells the others`, JSON.stringify([row.seen, look.seen]), scan)
  }
  if (!hasOtherBytes(look, row)) return null
  const message = `the bytes of ${path} are not those that were synced, though its times say that nobody wrote it; as a change of this device they are kept, and \`p2psync history\` shows the version before`
  return fault(path, 'content-differs', message, evidenceOf(look), async (context) => await lookAnew(context, [path]))
}

function hasOtherBytes(look: Look, { entry }: Row): boolean {
  if (look.kind === 'file') return entry.kind !== 'file' || look.content.cid !== entry.cid
  return look.kind === 'symlink' && (entry.kind !== 'symlink' || look.target !== entry.target)
}

/** A directory's times and size change with its children. */
function isUntouched(a: SeenStat, b: SeenStat): boolean {
  if (a.ino !== b.ino || a.mode !== b.mode) return false
  return (a.mode & 0o170000) === 0o040000 || (a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs)
}

function notIndexed({ path, look }: Gathered, stated: Stated): Fault {
  const isGone = isLive(stated.entry) && look?.kind === 'nothing'
  const message = `our drive states ${path}, which the index does not know`
  const repair = async (context: FolderContext): Promise<void> => await (isGone ? forgetStatement(context, path) : takeOver(context, path, stated, look))
  return fault(path, 'not-indexed', message, JSON.stringify(stated.entry), repair)
}

function notStated({ path, look }: Gathered, row: Row, stated: Stated | null): Fault {
  const message = stated === null ? `our drive does not state ${path}, which the index knows` : `our drive states another version of ${path} than the index knows`
  const evidence = JSON.stringify([row.entry, stated?.entry ?? null])
  if (row.blocked !== undefined && row.entry.kind === 'file') return fault(path, 'not-stated', message, evidence, null)
  // What the drive says is signed, and others have read it: a row counts against it only if it is later.
  const isLater = stated === null || compareVersions(row.entry.vv, stated.entry.vv) === 'dominates'
  return fault(path, 'not-stated', message, evidence, async (context) => await (isLater ? stateAgain(context, path, row, look) : takeOver(context, path, stated, look)))
}

function unreadableBlocks({ path, look }: Gathered, row: Row, what: string): Fault {
  return fault(path, 'blocks-unreadable', `our drive cannot give the bytes of ${path}: ${what}`, what, async (context) => await stateAgain(context, path, row, look))
}

function placeMissing({ path, look }: Gathered): Fault {
  return fault(path, 'place-missing', `the index does not find the bytes of ${path}`, '', async ({ ports: { index } }) => {
    if (look?.kind !== 'file') return
    const { content } = look
    const places = (await index.places(content.cid)).filter((place) => place.area !== 'tree' || place.path !== path)
    const blob = (await index.content(content.cid))?.blob ?? null
    // A row that is there is not made again, so that one of which parts are lost must go first.
    const first = index.batch()
    for (const place of [...places, { area: 'tree' as const, path }]) first.delPlace(content.cid, place)
    await first.flush()
    const second = index.batch()
    for (const place of [...places, { area: 'tree' as const, path }]) second.putContent(content, place, blob)
    await second.flush()
  })
}

function evidenceOf(look: Look): string {
  return look.kind === 'file' ? look.content.cid : look.kind === 'symlink' ? look.target : ''
}

function fault(path: PathKey, code: FaultCode, message: string, evidence: string, repair: Fault['repair']): Fault {
  return { key: `${code}:${path}`, path, code, message, evidence, repair }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
