/** Paths that are done together with those of a slice, because a file or directory moves between the two. */
import type { PathKey } from '../sync/ids.ts'
import type { FolderContext } from './context.ts'
import type { LoadedView } from './view.ts'

/** A file that moved is stated together with its end at the old place: a slice that was cut between the two takes the other half as well. */
export async function giversOfLast({ ports, work }: FolderContext, view: LoadedView, dirty: ReadonlySet<PathKey>): Promise<readonly PathKey[]> {
  const last = [...dirty].at(-1)
  const wanted = last === undefined ? undefined : view.path(last)?.remotes.find((entry) => entry.kind === 'file')
  if (work.dirtyCount === 0 || wanted?.kind !== 'file') return []
  const places = await ports.index.places(wanted.cid)
  const givers = work.takeAlso(places.flatMap(({ area, path }) => (area === 'tree' ? [path as PathKey] : [])))
  await view.load(givers, [])
  return givers
}

/** R46: both places of what moves are looked at together. */
export async function twinsOf({ moving, work }: FolderContext, view: LoadedView, dirty: Set<PathKey>): Promise<readonly PathKey[]> {
  if (moving.current === null) return []
  const twins = new Set<PathKey>()
  for (const path of dirty) {
    const twin = moving.twin(path)
    if (twin !== null && !dirty.has(twin)) twins.add(twin)
  }
  const taken = work.takeAlso([...twins])
  await view.load([...twins], [])
  for (const path of twins) dirty.add(path)
  return taken
}
