/** The end of a cycle, when nothing is wanted any more. */
import { errnoOf, messageOf, P2psyncError } from '../../base/errors.ts'
import type { FolderContext } from './context.ts'
import { forgetOverdue } from './foretold.ts'
import { listUnlisted } from './unlisted.ts'

/** @returns false if there is something left to be put right, which may be possible later. */
export async function tidy(context: FolderContext): Promise<boolean> {
  context.problems.delete('')
  forgetOverdue(context)
  try {
    return await putRight(context)
  } catch (error) {
    if (errnoOf(error) === null && !(error instanceof P2psyncError)) throw error
    context.ports.log.warn({ error: messageOf(error) }, 'what a failure left beside the tree is put right later')
    return false
  }
}

/** Staged leftovers go. */
export async function dropStaged(context: FolderContext): Promise<void> {
  if (context.fetcher.active > 0 || context.work.dirtyCount > 0) return
  context.fetcher.tidied()
  await context.ports.disk.keepStaged(new Set([...context.fetcher.stagedContents(), ...context.asked]))
}

/** What an operation that failed half-way left. */
async function putRight(context: FolderContext): Promise<boolean> {
  const result = await context.ports.disk.putRight()
  if (result === null) return true
  await listUnlisted(context, 'recent')
  context.work.markScan(result.paths)
  return result.all
}
