/**
 * What stands in our own directory while no apply is under way. A name in staging that no code of ours makes is somebody's, so it is
 * never deleted: it goes to history. What ours left (swap, modes) is recover.ts' to put right.
 */
import type { Stray } from '../ports.ts'
import { parseContentId } from '../sync/ids.ts'
import { parsePath } from '../sync/path.ts'
import { directoriesInHistory, historyBuckets, moveToHistory, type HistorySlot } from './history.ts'
import { RECOVERED, type HistoryNotes } from './history-notes.ts'
import { ASIDE_DIR, FETCH_DIR, HISTORY_DIR, MODES_DIR, OWN_DIR, OWN_DIR_MODE, SWAP_DIR } from './layout.ts'
import { decodeName, escapeName } from './names.ts'
import { self, WalkError, type Roots } from './roots.ts'
import { MODE_BITS } from './seen.ts'
import { chmod, isGone, readNames } from './sys.ts'

const STAGING_DIR = `${OWN_DIR}/staging`
const OWN_DIRS = [OWN_DIR, STAGING_DIR, FETCH_DIR, SWAP_DIR, MODES_DIR, ASIDE_DIR, HISTORY_DIR]
const STAGING_NAMES: ReadonlySet<string> = new Set([FETCH_DIR, SWAP_DIR, MODES_DIR, ASIDE_DIR].map((path) => path.slice(STAGING_DIR.length + 1)))

/** A stray with its name on disk, one character per byte. */
interface Found extends Stray {
  readonly area: string
  readonly name: string
}

/** Call it while no apply is under way. */
export async function findStrays(roots: Roots): Promise<readonly Found[]> {
  // Modes are those of a handle's opening.
  roots.refresh()
  const found: Found[] = []
  for (const area of [SWAP_DIR, MODES_DIR, ASIDE_DIR]) for (const name of await namesIn(roots, area)) found.push(leftOver(area, name))
  // Contents under way have their id for a name; those that nobody wants go by themselves.
  for (const name of await namesIn(roots, FETCH_DIR)) if (parseContentId(name) === null) found.push(leftOver(FETCH_DIR, name))
  for (const name of await namesIn(roots, STAGING_DIR)) if (!STAGING_NAMES.has(name)) found.push(leftOver(STAGING_DIR, name))
  const hours = (await historyBuckets(roots)).map(({ name }) => name)
  for (const name of await directoriesInHistory(roots, hours)) found.push(leftOver(HISTORY_DIR, Buffer.from(name).toString('latin1')))
  for (const path of OWN_DIRS) if (await isOpen(roots, path)) found.push({ path, code: 'open-mode', area: path, name: '' })
  return found
}

/** Modes are closed; what no code of ours makes goes to history. The rest waits for `recover`. */
export async function clearStrays(roots: Roots, notes: HistoryNotes, strays: readonly Found[], now: Date): Promise<void> {
  for (const { code, area, name } of strays) {
    if (code === 'open-mode') await roots.use(area, async (directory) => await chmod(self(directory), OWN_DIR_MODE))
    else if (area === FETCH_DIR || area === STAGING_DIR) {
      // Listed by the name that it had.
      const path = parsePath(decodeName(name)) ?? RECOVERED
      const [slot] = await notes.reserve([{ path, reason: 'recovered', ino: null }], now)
      await roots.use(area, async (directory) => await moveToHistory(roots, directory, toText(name), slot as HistorySlot))
    }
  }
}

function leftOver(area: string, name: string): Found {
  return { path: `${area}/${decodeName(name) ?? escapeName(name)}`, code: 'left-over', area, name }
}

/** File names go to system calls as UTF-8. */
function toText(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8')
}

async function namesIn(roots: Roots, path: string): Promise<readonly string[]> {
  return (await ifThere(async () => await roots.use(path, async (directory) => await readNames(self(directory))))) ?? []
}

async function isOpen(roots: Roots, path: string): Promise<boolean> {
  const mode = await ifThere(async () => await roots.use(path, async (directory) => directory.mode))
  return mode !== null && (mode & MODE_BITS & ~OWN_DIR_MODE) !== 0
}

async function ifThere<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look()
  } catch (error) {
    if (isGone(error) || (error instanceof WalkError && error.code === 'ENOENT')) return null
    throw error
  }
}
