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

export interface IgnoreRules {
  ignored(path: PathKey, isDirectory: boolean): boolean
  /** Null if it is not ignored. */
  explain(path: PathKey, isDirectory: boolean): IgnoreReason | null
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
const OWN: IgnoreReason = { file: -1, line: 0, pattern: `/${RESERVED_NAME}/` }

/** @param texts of `.p2psyncignore` and of its conflict copies, in any order. */
export function createIgnore(texts: readonly string[]): IgnoreRules {
  const files = texts.map(linesOf)
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

  return { explain, ignored: (path, isDirectory) => explain(path, isDirectory) !== null }
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

/** Lines that can be read as a pattern, and held against any path at once; another one ignores nothing. */
function linesOf(text: string): readonly Line[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  return lines.map((pattern, i) => ({ pattern, mark: String(i + 1) })).filter(isUsable)
}

function matcherOf(lines: readonly Line[]): Matcher {
  return ignore({ ignorecase: false }).add(lines)
}

function isUsable(line: Line): boolean {
  if (!isPlain(line.pattern)) return false
  try {
    matcherOf([line]).ignores('a/b')
    return true
  } catch {
    return false
  }
}

function isPlain(pattern: string): boolean {
  const names = pattern.split('/').filter((name) => name !== '')
  const stars = names.slice(0, -1).filter((name) => name === '**').length
  return stars <= MAX_DIRECTORY_STARS && names.every((name) => (name.match(/\*+/g) ?? []).length <= MAX_STARS_OF_NAME)
}
