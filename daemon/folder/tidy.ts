/** The end of a cycle, when nothing is wanted any more. */
import { errnoOf, messageOf, P2psyncError } from '../../base/errors.ts'
import type { FolderContext } from './context.ts'
import { forgetOverdue } from './foretold.ts'
import { listNames } from './unlisted.ts'

/** What could not be put right is tried again after this, and ever more seldom. */
const FIRST_MS = 5_000
const LAST_MS = 5 * 60_000

export class Tidying {
  #wait = FIRST_MS
  /** In history, and not listed yet. */
  #unlisted: readonly string[] = []

  /** @returns when to do it again, in milliseconds, if there is something left that may be possible later. */
  async run(context: FolderContext): Promise<number | null> {
    context.problems.delete('')
    forgetOverdue(context)
    const wait = this.#wait
    const all = await this.#putRight(context).catch((error: unknown) => {
      if (errnoOf(error) === null && !(error instanceof P2psyncError)) throw error
      context.ports.log.warn({ error: messageOf(error) }, 'what a failure left beside the tree is put right later')
      return false
    })
    this.#wait = all ? FIRST_MS : Math.min(2 * wait, LAST_MS)
    return all ? null : wait
  }

  /** What an operation that failed half-way left. */
  async #putRight(context: FolderContext): Promise<boolean> {
    const result = await context.ports.disk.putRight()
    if (result !== null) {
      context.work.markScan(result.paths)
      this.#unlisted = [...this.#unlisted, ...result.kept]
    }
    await listNames(context, this.#unlisted)
    this.#unlisted = []
    return result === null || result.all
  }
}

/** Staged leftovers go. */
export async function dropStaged(context: FolderContext): Promise<void> {
  if (context.fetcher.active > 0 || context.work.dirtyCount > 0) return
  context.fetcher.tidied()
  await context.ports.disk.keepStaged(new Set([...context.fetcher.stagedContents(), ...context.asked]))
}
