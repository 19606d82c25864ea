/** What other devices say before they state it, and what we say (R46, R48): of both kinds together, for the cycle. */
import type { FolderReport } from '../ports.ts'
import { endAside, isAsideDue, tendAside } from './aside.ts'
import type { FolderContext } from './context.ts'
import { endMove, isMoveDue, tendMoves } from './moving.ts'

/** Deletions of others decided in one go: a slice is published when all of it is done, and users wait for files to be gone, not for that to be stated. */
const SLICE_DELETIONS = 4000
/** While nobody sees anything of them, what else is told comes first. */
const SLICE_ASIDE = 1000

/** Something of the tree stands elsewhere than its rows say. */
export function isHinted(context: FolderContext | null): boolean {
  return context !== null && (context.moving.current !== null || context.aside.active)
}

export function isHintDue(context: FolderContext): boolean {
  return isMoveDue(context) || isAsideDue(context)
}

export async function tendHints(context: FolderContext): Promise<void> {
  await tendMoves(context)
  await tendAside(context)
}

export async function endHints(context: FolderContext): Promise<void> {
  await endMove(context)
  await endAside(context)
}

export function toldHints(context: FolderContext | null): Pick<FolderReport, 'moved' | 'gone' | 'foretold'> {
  return { ...context?.moving.report, ...context?.aside.report, ...context?.foretelling.report }
}

/** What was found is stated. */
export function forgetTold({ moving, aside }: FolderContext): void {
  moving.told = null
  aside.told = []
}

export function endsAtOnce({ aside }: FolderContext, given: number | undefined): number {
  return given ?? (aside.active ? SLICE_ASIDE : SLICE_DELETIONS)
}
