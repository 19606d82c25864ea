/** What a user does about lost, conflicting or mass-deleted files of one folder. Contents are fetched beside the cycle, changes are made in it. */
import { P2psyncError } from '../../base/errors.ts'
import type { ContentList } from '../sync/content.ts'
import type { DeviceId, PathKey } from '../sync/ids.ts'
import { endAside } from './aside.ts'
import { Bringer, type Sink } from './bring.ts'
import type { FolderContext } from './context.ts'
import { approve, reject, type Decided } from './decide.ts'
import { putLeaf, type Leaf } from './edit.ts'
import { sourcesOf, versionsOf, type Version } from './history.ts'
import { conflictAt, onlyCopy, resolveConflict, type Keep, type Resolved } from './resolve.ts'
import { treeAt, type PastTree } from './tree-at.ts'

/** Runs in the folder's cycle. Rejects with FOLDER_HALTED where nothing may be changed now. */
export type Act = <T>(run: (context: FolderContext) => Promise<T>) => Promise<T>

const MIN_ID_CHARACTERS = 4

export class UserActs {
  readonly #context: FolderContext
  readonly #act: Act
  readonly #conflicts: () => ReadonlySet<PathKey>

  constructor(context: FolderContext, act: Act, conflicts: () => ReadonlySet<PathKey>) {
    this.#context = context
    // What a user decides is of a tree that is as the rows say.
    this.#act = async (run) =>
      await act(async (inCycle) => {
        await endAside(inCycle)
        return await run(inCycle)
      })
    this.#conflicts = conflicts
  }

  /** All versions of a path that connected devices, and this one, know. */
  async history(path: PathKey, signal: AbortSignal): Promise<{ readonly versions: readonly Version[]; readonly silent: readonly DeviceId[] }> {
    return await versionsOf(this.#context, path, this.#until(signal))
  }

  /** Throws VERSION_UNKNOWN. */
  async version(path: PathKey, id: string, signal: AbortSignal): Promise<Version> {
    const { versions } = await this.history(path, signal)
    const matches = versions.filter((version) => version.id === id || (id.length >= MIN_ID_CHARACTERS && version.id.startsWith(id)))
    const [match] = matches
    if (match !== undefined && matches.length === 1) return match
    const found = matches.length === 0 ? 'no version' : `${matches.length} versions`
    throw new P2psyncError('VERSION_UNKNOWN', `${path} has ${found} ${JSON.stringify(id)}; p2psync history shows those that connected devices hold`)
  }

  /** Puts a version back, at its path (what stands there goes to history) or at a free one. */
  async restore(version: Version, to: PathKey | null, signal: AbortSignal): Promise<void> {
    const path = to ?? version.path
    await this.#withContent(version.leaf, sourcesOf(version), signal, (list) =>
      this.#act(async (context) => await putLeaf(context, path, version.leaf, list, { replace: to === null, reason: 'replaced' }))
    )
  }

  async treeAt(at: number, under: PathKey | null, signal: AbortSignal): Promise<PastTree> {
    return await treeAt(this.#context, at, under, this.#until(signal))
  }

  /** For bytes that shall go to a place outside of the folder. */
  bringer(sink: Sink, signal: AbortSignal): Bringer {
    return new Bringer(this.#context, sink, this.#until(signal))
  }

  async resolve(path: PathKey, keep: Keep, signal: AbortSignal): Promise<{ readonly base: PathKey; readonly resolved: readonly Resolved[] }> {
    const conflict = await conflictAt(this.#context, path, this.#conflicts())
    const run = (list: ContentList | null): Promise<readonly Resolved[]> => this.#act(async (context) => await resolveConflict(context, conflict, keep, list))
    const resolved = keep === 'other' ? await this.#withContent(onlyCopy(conflict).leaf, [], signal, run) : await run(null)
    return { base: conflict.base, resolved }
  }

  async approve(): Promise<Decided> {
    return await this.#act(approve)
  }

  async reject(): Promise<Decided> {
    return await this.#act(reject)
  }

  /** Stages a file's content and keeps it staged until `run` has used it. */
  async #withContent<T>(leaf: Leaf, sources: readonly DeviceId[], signal: AbortSignal, run: (list: ContentList | null) => Promise<T>): Promise<T> {
    if (leaf.kind === 'symlink') return await run(null)
    const { asked, ports } = this.#context
    asked.add(leaf.cid)
    try {
      return await run(await this.bringer(ports.disk, signal).file(leaf, sources))
    } finally {
      asked.delete(leaf.cid)
    }
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#context.signal])
  }
}
