/** `folders.conflicts`, `folders.ignore`, `folders.ignored`: what concerns single paths. */
import { constants, type Stats } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, P2psyncError } from '../../base/errors.ts'
import { MAX_IGNORE_BYTES } from '../../base/limits.ts'
import type { Conflict, Handlers, ProblemRow } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import type { FolderHost } from '../host.ts'
import { stripConflict } from '../sync/conflict.ts'
import type { Entry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import type { FaultyRule } from '../folder/rules.ts'
import { faultyLines, patternFault, type PatternFault } from '../sync/ignore.ts'
import { IGNORE_FILE } from '../sync/path.ts'
import { hostOf, hostsOf, refOf } from './folders.ts'
import { inTime } from './in-time.ts'
import { deviceOf } from './writers.ts'

type Part = Pick<Handlers, 'folders.conflicts' | 'folders.ignore' | 'folders.ignored'>

const MAX_SHOWN_PATTERN = 200

const FAULTS: Readonly<Record<PatternFault, string>> = {
  'directory-stars': 'it has more than two ** before its last part; with so many, to look at one path could take minutes',
  'name-stars': 'it has more than four * in one name; with so many, to look at one path could take minutes',
  unreadable: 'it cannot be read as a pattern'
}

export function pathHandlers(daemon: App): Part {
  return {
    'folders.conflicts': async ({ folder }) => {
      const lists = await Promise.all(hostsOf(daemon, folder).map((host) => conflictsOf(daemon, host)))
      return { conflicts: lists.flat() }
    },
    'folders.ignore': async ({ folder, add }) => {
      const host = hostOf(daemon, folder)
      if (add !== undefined && add.length > 0) await addPatterns(host, add)
      const text = await readText(join(host.path, IGNORE_FILE))
      return { folder: refOf(host), patterns: lines(text), problems: faultyPatterns(faultyLines(text).map((line) => ({ path: IGNORE_FILE, ...line }))) }
    },
    'folders.ignored': async ({ path }) => {
      const host = hostOf(daemon, path)
      const inside = path.slice(host.path.length + 1) as PathKey
      const rule = host.folder.rules.current.explain(inside, await isDirectory(path))
      return { folder: refOf(host), path: inside, ignored: rule !== null, rule: rule === null ? null : rule.pattern }
    }
  }
}

/** What `status` and `ignore` say of lines of `.p2psyncignore`, and of its conflict copies, that ignore nothing. */
export function faultyPatterns(faulty: readonly FaultyRule[]): ProblemRow[] {
  return faulty.map(({ path, line, pattern, fault }) => ({ path, code: 'pattern-unused', message: `line ${line}, ${shown(pattern)}, ignores nothing: ${FAULTS[fault]}` }))
}

function shown(pattern: string): string {
  return pattern.length <= MAX_SHOWN_PATTERN ? pattern : `${pattern.slice(0, MAX_SHOWN_PATTERN)}…`
}

/** All or, with USAGE, none. */
async function addPatterns(host: FolderHost, patterns: readonly string[]): Promise<void> {
  for (const pattern of patterns) {
    const fault = patternFault(pattern)
    if (fault !== null) throw new P2psyncError('USAGE', `the pattern ${shown(pattern)} would ignore nothing: ${FAULTS[fault]}. Nothing was added; write it in another way, or as several patterns`)
  }
  const file = join(host.path, IGNORE_FILE)
  const text = await readText(file)
  const fresh = patterns.filter((pattern) => !lines(text).includes(pattern))
  if (fresh.length === 0) return
  try {
    await append(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${fresh.join('\n')}\n`)
  } catch (error) {
    if (error instanceof P2psyncError) throw error
    throw new P2psyncError('PATH_DENIED', `cannot write ${file}: ${errnoOf(error) ?? 'unknown error'}; \`p2psync status\` says whether the folder is there`, { cause: error })
  }
  host.folder.localChanged([IGNORE_FILE])
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

/** What has its name may be of another device: a symlink there leads wherever that device likes. */
async function append(file: string, text: string): Promise<void> {
  await inTime(file, async (mayGoOn) => await appendNow(file, text, mayGoOn))
}

async function appendNow(file: string, text: string, mayGoOn: () => void): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o666)
  try {
    const { size } = await checked(handle, file)
    if (size + Buffer.byteLength(text) > MAX_IGNORE_BYTES) throw noText(file)
    mayGoOn()
    await handle.appendFile(text)
  } finally {
    await handle.close()
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await inTime(file, async () => await readNow(file))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    if (error instanceof P2psyncError) throw error
    if (errnoOf(error) === 'ELOOP') throw noText(file)
    throw new P2psyncError('PATH_DENIED', `cannot read ${file}: ${errnoOf(error) ?? 'unknown error'}`, { cause: error })
  }
}

async function readNow(file: string): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    await checked(handle, file)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

async function checked(handle: FileHandle, file: string): Promise<Stats> {
  const stat = await handle.stat()
  if (!stat.isFile() || stat.size > MAX_IGNORE_BYTES) throw noText(file)
  return stat
}

function noText(file: string): P2psyncError {
  return new P2psyncError('PATH_DENIED', `${file} is no file of patterns, but a symlink, something else, or would be larger than a megabyte; nothing is written to it. Make it a smaller file, or remove it, and try again`)
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await inTime(path, async () => await lstat(path))).isDirectory()
  } catch (error) {
    if (errnoOf(error) === null || error instanceof P2psyncError) throw error
    return false
  }
}

async function conflictsOf(daemon: App, host: FolderHost): Promise<Conflict[]> {
  const paths = [...host.folder.conflicts].sort()
  const bases = paths.map((path) => stripConflict(path))
  const [copies, originals] = await Promise.all([host.index.rows(paths), host.index.rows(bases)])
  const conflicts: Conflict[] = []
  for (const [i, path] of paths.entries()) {
    const other = copies[i] === null ? null : describe(daemon, host, copies[i]?.entry ?? null)
    if (other === null) continue
    conflicts.push({ folder: host.id, path: bases[i] ?? path, copy: path, this: describe(daemon, host, originals[i]?.entry ?? null), other })
  }
  return conflicts
}

function describe(daemon: App, host: FolderHost, entry: Entry | null): Conflict['other'] | null {
  if (entry === null || entry.kind === 'tombstone') return null
  const writer = entry.dots.at(-1)?.[0]
  return {
    kind: entry.kind,
    size: entry.kind === 'file' ? entry.size : 0,
    mtime: entry.kind === 'directory' ? null : new Date(Number(BigInt(entry.mtime) / 1_000_000n)).toISOString(),
    device: writer === undefined ? null : deviceOf(daemon, host, writer)
  }
}
