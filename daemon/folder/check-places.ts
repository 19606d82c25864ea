/** The checker's parts about where bytes are: the places of contents, and the history. */
import type { HistoryRow, Look, Place } from '../ports.ts'
import type { ContentId, PathKey } from '../sync/ids.ts'
import type { CheckWorld, Fault } from './check.ts'
import type { FolderContext } from './context.ts'
import { listSome, unlistedOf } from './unlisted.ts'

/** A place in the tree must be that of a row with this content, one in history that of a history row. */
export async function* checkContents(world: CheckWorld, only: readonly Fault[] | null): AsyncGenerator<Fault> {
  const { index } = world.context.ports
  for await (const contents of index.contents()) {
    world.signal.throwIfAborted()
    if (only === null) world.checked.contents += contents.length
    const stale = await world.act(async (context) => {
      const found: { readonly cid: ContentId; readonly place: Place }[] = []
      for (const { cid } of contents) for (const place of await context.ports.index.places(cid)) if (!(await isKnown(context, cid, place))) found.push({ cid, place })
      return found
    })
    for (const { cid, place } of stale) yield stalePlace(cid, place)
  }
}

async function isKnown({ ports: { index } }: FolderContext, cid: ContentId, place: Place): Promise<boolean> {
  // History rows are held against their files in a part of their own.
  if (place.area === 'history') return true
  const row = await index.row(place.path as PathKey)
  return row?.entry.kind === 'file' && row.entry.cid === cid
}

function stalePlace(cid: ContentId, place: Place): Fault {
  return {
    key: `place:${cid}:${place.path}`,
    path: place.path,
    code: 'place-stale',
    message: `the index looks for bytes at ${place.path} that are not there any more`,
    evidence: cid,
    repair: async ({ ports: { index } }) => {
      const batch = index.batch()
      batch.delPlace(cid, place)
      await batch.flush()
    }
  }
}

/** Every row of the history must have its file, with the content it names. */
export async function* checkHistory(world: CheckWorld, only: readonly Fault[] | null): AsyncGenerator<Fault> {
  const { index, disk } = world.context.ports
  for await (const rows of index.history(null)) {
    for (const row of rows) {
      world.signal.throwIfAborted()
      if (only !== null && !only.some(({ key }) => key === keyOf(row))) continue
      const look = await disk.look({ area: 'history', path: row.name })
      if (only === null) count(world, look)
      const fault = judge(row, look)
      // Retention may have ended it meanwhile.
      if (fault !== null && (await isListed(world, row))) yield fault
    }
  }
}

function count({ checked }: CheckWorld, look: Look): void {
  checked.history++
  if (look.kind === 'file') checked.bytes += look.content.size
}

async function isListed(world: CheckWorld, row: HistoryRow): Promise<boolean> {
  return await world.act(async ({ ports: { index } }) => {
    for await (const rows of index.history(row.path)) if (rows.some(({ name }) => name === row.name)) return true
    return false
  })
}

function keyOf(row: HistoryRow): string {
  return `history:${row.name}`
}

function judge(row: HistoryRow, look: Look): Fault | null {
  const { name, path, entry } = row
  const about = { key: keyOf(row), path, evidence: name }
  if (look.kind === 'problem') return { ...about, code: 'unreadable', message: look.problem.message, repair: null }
  if (look.kind === 'nothing') return { ...about, code: 'history-gone', message: `an old version of ${path} is not in history any more (${name}); it is not listed any longer`, repair: async (context) => await forgetHistory(context, row) }
  const isIt = look.kind === 'file' ? entry.kind === 'file' && entry.cid === look.content.cid : look.kind === 'symlink' && entry.kind === 'symlink' && entry.target === look.target
  if (isIt || look.kind === 'unstable') return null
  return { ...about, code: 'history-differs', message: `an old version of ${path} was changed in history (${name}); it is listed as what it is now`, repair: async (context) => await listAnew(context, row) }
}

async function listAnew(context: FolderContext, row: HistoryRow): Promise<void> {
  await forgetHistory(context, row)
  await listSome(context, [row.name])
}

async function forgetHistory({ ports: { index } }: FolderContext, { name, entry }: HistoryRow): Promise<void> {
  const batch = index.batch()
  batch.delHistory(name)
  if (entry.kind === 'file') batch.delPlace(entry.cid, { area: 'history', path: name })
  await batch.flush()
}

/** Names of which the notes are read together. */
const NAMES_AT_ONCE = 1000

/** Whatever stands in history must be listed, or nobody would find it again; what no sync put there is told and left alone. */
export async function* checkUnlisted(world: CheckWorld, only: readonly Fault[] | null): AsyncGenerator<Fault> {
  const { files } = await world.context.ports.disk.history()
  const names = await world.context.ports.disk.recentHistory(Number.MAX_SAFE_INTEGER)
  const ours = new Set(names)
  for (const { name } of files) if (!ours.has(name)) yield unknown(name)
  for (let start = 0; start < names.length; start += NAMES_AT_ONCE) {
    world.signal.throwIfAborted()
    const unlisted = await world.act(async (context) => await unlistedOf(context, names.slice(start, start + NAMES_AT_ONCE)))
    if (only !== null && !unlisted.some((name) => only.some(({ evidence }) => evidence === name))) continue
    const notes = await world.context.ports.disk.historyNotes(unlisted)
    for (const [i, name] of unlisted.entries()) {
      const note = notes[i] ?? null
      yield note === null ? unknown(name) : unlistedFault(name, note.path)
    }
  }
}

function unlistedFault(name: string, path: PathKey): Fault {
  const message = `an old version of ${path} is in history (${name}) and is not listed; it is listed from now on`
  return { key: `unlisted:${name}`, path, code: 'history-unlisted', message, evidence: name, repair: async (context) => void (await listSome(context, [name])) }
}

function unknown(name: string): Fault {
  const path = `.p2psync/history/${name}`
  return { key: `unlisted:${name}`, path, code: 'history-unknown', message: `${path} is in history, and nothing says what it was; it stays there`, evidence: name, repair: null }
}
