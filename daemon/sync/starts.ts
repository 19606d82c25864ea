/**
 * How a device that was put back to a former state learns how far it still says what others know it to say (R19), though nobody holds
 * the log that it went on with any more. Each start of a drive of ours has a token, made anew: a state that is put back begins with
 * another one than the device had begun with after it, and what its writer counted from there on stands for other changes. A new
 * drive's record lists the tokens of all starts before it. Pure; the caller brings the random tokens.
 */
import type { WriterId } from './ids.ts'
import { lowestCuts, type Cut } from './recount.ts'

export interface Start {
  /** Of the first start of a writer: the writer. */
  readonly token: string
  readonly writer: WriterId
  /** The last number that the writer had taken. */
  readonly counter: number
}

/** Starts in which nothing was changed are not counted. More than these are thinned: a state of long ago is cut earlier than it need be. */
export const MAX_STARTS = 64
/** 12 hex digits, or the 16 of a writer. */
const TOKEN = /^(?:[0-9a-f]{12}|[0-9a-f]{16})$/

export function isStartToken(value: unknown): value is string {
  return typeof value === 'string' && TOKEN.test(value)
}

/** `token`: 12 random hex digits. */
export function withStart(starts: readonly Start[], writer: WriterId, counter: number, token: string): readonly Start[] {
  const isFirst = !starts.some((start) => start.writer === writer)
  const last = starts.at(-1)
  // A backup taken since the last start may go on as well as we do: its token is worth nothing, even if no number was taken.
  const wasIdle = last !== undefined && last.writer === writer && !isFirstOf(last) && last.counter === counter
  return thinned([...(wasIdle ? starts.slice(0, -1) : starts), { token: isFirst ? writer : token, writer, counter }])
}

/** What a new drive's record says: all that was said before, and what was begun since. */
export function tokensOf(said: readonly string[], starts: readonly Start[]): readonly string[] {
  const all = [...new Set([...said, ...starts.map(({ token }) => token)])]
  return all.length <= MAX_STARTS ? all : fewer(all, (token) => token.length > 12).slice(-MAX_STARTS)
}

/** For each writer the number up to which it said what `said`, the record of a drive that we do not know, was made after. */
export function cutsAfter(starts: readonly Start[], said: readonly string[]): readonly Cut[] {
  return lowestCuts(unsaid(starts, said))
}

/** The starts without those that `cutsAfter` cuts: their numbers are not in use any more. */
export function withoutCut(starts: readonly Start[], said: readonly string[]): readonly Start[] {
  const cut = unsaid(starts, said)
  return starts.filter((start) => !cut.includes(start))
}

/** Those that the other history did not have, of writers that it knew. One that it did not know took no number that means two things. */
function unsaid(starts: readonly Start[], said: readonly string[]): readonly Start[] {
  // Who never said anything says nothing about us.
  if (said.length === 0) return []
  const common = starts.findLastIndex(({ token }) => said.includes(token))
  // Of a full list the beginning may be missing.
  const knew = (writer: WriterId): boolean => said.includes(writer) || said.length >= MAX_STARTS
  return starts.slice(common + 1).filter(({ writer }) => knew(writer))
}

function isFirstOf({ token, writer }: Start): boolean {
  return token === writer
}

/** A start that is left out is part of the next one of its writer, which then begins as early: what is cut later is cut early enough. */
function thinned(starts: readonly Start[]): readonly Start[] {
  if (starts.length <= MAX_STARTS) return starts
  const isLast = (start: Start): boolean => starts.findLast(({ writer }) => writer === start.writer) === start
  const kept = fewer(starts, (start) => isFirstOf(start) || isLast(start))
  const counters = new Map<WriterId, number>()
  const result: Start[] = []
  for (const start of starts) {
    const counter = Math.min(start.counter, counters.get(start.writer) ?? start.counter)
    if (kept.includes(start)) {
      counters.delete(start.writer)
      result.push({ ...start, counter })
    } else counters.set(start.writer, counter)
  }
  return result.slice(-MAX_STARTS)
}

/** Every second one of the older half goes, unless it has to stay. */
function fewer<T>(items: readonly T[], stays: (item: T) => boolean): readonly T[] {
  const half = Math.floor(items.length / 2)
  return items.filter((item, i) => i >= half || i % 2 === 1 || stays(item))
}
