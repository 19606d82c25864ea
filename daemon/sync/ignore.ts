/**
 * What is not synced: our own directory, and what `.p2psyncignore` at the root says in gitignore syntax (R31, R32). While conflict
 * copies of that file exist, what any of them ignores is ignored. As in git, nothing below an ignored directory can be brought
 * back, and letter case counts.
 */
import ignore from 'ignore'
import { isConflictPath } from './conflict.ts'
import type { PathKey } from './ids.ts'
import { IGNORE_FILE, isReserved, parentOf, RESERVED_NAME, ROOT } from './path.ts'

/** Which line decided that a path is ignored. */
export interface IgnoreReason {
  /** Index of the text; -1: not a text but our own directory. */
  readonly file: number
  /** From 1; 0 for our own directory. */
  readonly line: number
  readonly pattern: string
}

/** Why a line ignores nothing: too many `**` in front of its last part, too many `*` in one name, or it is no pattern. */
export type PatternFault = 'directory-stars' | 'name-stars' | 'unreadable'

/** A line that ignores nothing, though it looks as if it should. */
export interface FaultyLine {
  /** From 1. */
  readonly line: number
  readonly pattern: string
  readonly fault: PatternFault
}

/** Whether a file of that name at the root is read for its rules. */
export function isIgnoreText(name: string): boolean {
  return name === IGNORE_FILE || (name.startsWith(IGNORE_FILE) && isConflictPath(name as PathKey))
}

export interface IgnoreText {
  readonly path: PathKey
  readonly text: string
}

export interface IgnoreRules {
  ignored(path: PathKey, isDirectory: boolean): boolean
  /** Null if it is not ignored. */
  explain(path: PathKey, isDirectory: boolean): IgnoreReason | null
  /** Of all texts; `file`: index of the text. */
  readonly faulty: readonly (FaultyLine & { readonly file: number })[]
}

type Matcher = ReturnType<typeof ignore>

interface Line {
  readonly pattern: string
  readonly mark: string
}

/** The matchers remember every path they are asked; after so many they are made anew. */
const MAX_REMEMBERED_PATHS = 50_000
/**
 * Each `**` and each `*` of a name may stand for any part of what is left: a pattern with many, which any device can write, would be
 * tried in so many ways that one path takes seconds (250 directories and three of them: 4 s).
 */
const MAX_DIRECTORY_STARS = 2
const MAX_STARS_OF_NAME = 4
/** A text of any device may have very many. */
const MAX_TOLD_FAULTS = 100
const OWN: IgnoreReason = { file: -1, line: 0, pattern: `/${RESERVED_NAME}/` }

/** @param texts of `.p2psyncignore` and of its conflict copies, in any order. */
export function createIgnore(texts: readonly string[]): IgnoreRules {
  const read = texts.map(readLines)
  const files = read.map(({ lines }) => lines)
  let matchers = files.map(matcherOf)
  let asked = 0

  function explain(path: PathKey, isDirectory: boolean): IgnoreReason | null {
    if (path === ROOT || isRulesFile(path)) return null
    if (isReserved(firstName(path))) return OWN
    if (files.length === 0) return null
    if (++asked % MAX_REMEMBERED_PATHS === 0) matchers = files.map(matcherOf)
    for (const [file, matcher] of matchers.entries()) {
      const { ignored, rule } = matcher.test(isDirectory ? `${path}/` : path)
      if (ignored) return { file, line: Number(rule?.mark ?? 0), pattern: rule?.pattern ?? '' }
    }
    return null
  }

  return { explain, ignored: (path, isDirectory) => explain(path, isDirectory) !== null, faulty: read.flatMap(({ faulty }, file) => faulty.map((line) => ({ file, ...line }))) }
}

/** `.p2psyncignore` or a conflict copy of it: never ignored, or devices could not agree on the rules. */
function isRulesFile(path: PathKey): boolean {
  if (!path.startsWith(IGNORE_FILE)) return false
  return path === IGNORE_FILE || (parentOf(path) === ROOT && path.startsWith(`${IGNORE_FILE}.`) && isConflictPath(path))
}

function firstName(path: PathKey): string {
  const slash = path.indexOf('/')
  return slash === -1 ? path : path.slice(0, slash)
}

interface ReadLines {
  readonly lines: readonly Line[]
  /** At most a hundred. */
  readonly faulty: readonly FaultyLine[]
}

function readLines(text: string): ReadLines {
  const lines: Line[] = []
  const faulty: FaultyLine[] = []
  for (const [i, pattern] of text.replace(/^\uFEFF/, '').split(/\r?\n/).entries()) {
    const fault = patternFault(pattern)
    if (fault === null) lines.push({ pattern, mark: String(i + 1) })
    else if (faulty.length < MAX_TOLD_FAULTS) faulty.push({ line: i + 1, pattern, fault })
  }
  return { lines, faulty }
}

function matcherOf(lines: readonly Line[]): Matcher {
  return ignore({ ignorecase: false }).add(lines)
}

/** The first lines of a `.p2psyncignore` that ignore nothing and are neither empty nor comments, at most a hundred. */
export function faultyLines(text: string): readonly FaultyLine[] {
  return readLines(text).faulty
}

/**
 * Null if the line can be read as a pattern and held against any path at once; an empty line and a comment can. Another line ignores
 * nothing.
 */
export function patternFault(pattern: string): PatternFault | null {
  if (pattern.startsWith('#')) return null
  return starsFault(pattern) ?? (isReadable(pattern) ? null : 'unreadable')
}

/** An escaped character is itself and nothing else: `\*` is no star. Three `*` and more that fill a name are as two. */
function starsFault(pattern: string): PatternFault | null {
  const names = pattern.replace(/^!/, '').replace(/\\./gs, '_').split('/').filter((name) => name !== '')
  const stars = names.slice(0, -1).filter((name) => /^\*{2,}$/.test(name)).length
  if (stars > MAX_DIRECTORY_STARS) return 'directory-stars'
  return names.some((name) => (name.match(/\*+/g) ?? []).length > MAX_STARS_OF_NAME) ? 'name-stars' : null
}

function isReadable(pattern: string): boolean {
  try {
    matcherOf([{ pattern, mark: '' }]).ignores('a/b')
    return true
  } catch {
    return false
  }
}
