/**
 * What the user's own programs do comes first: the daemon takes what they leave of the processors
 * (docs/decisions/0024-the-users-programs-first.md).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/** That of a process whose user said nothing of it. */
const USUAL = 0
/** An eighth of the share of another program that would like the same processor; all of one that is free. */
export const NICENESS = 9

/** Early: threads that are made later take it from the one that makes them. @returns false if it has another priority already, which is left as it is, or the system forbids it. */
export function giveWay(): boolean {
  try {
    if (getPriority() !== USUAL) return false
    for (const thread of threads()) setPriority(thread, NICENESS)
    if (isSession()) writeFileSync('/proc/self/autogroup', String(NICENESS))
    return true
  } catch {
    return false
  }
}

/** On Linux each thread has a niceness of its own. */
function threads(): readonly number[] {
  return process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [process.pid]
}

/** Linux may share the processors among sessions first. One that the daemon does not lead has other programs in it. */
function isSession(): boolean {
  if (process.platform !== 'linux') return false
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const [, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(session) === process.pid
}
