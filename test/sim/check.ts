/** What must hold once everything is connected and nothing happens any more. Each returns sentences; none is good. */
import { stripConflict } from '../../daemon/sync/conflict.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import { createIgnore, type IgnoreRules } from '../../daemon/sync/ignore.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { IGNORE_FILE, isBelow } from '../../daemon/sync/path.ts'
import { cut, microseconds } from '../fakes/disk-scan.ts'
import type { DiskStore } from '../fakes/disk-store.ts'
import { joinPath, nameOf, parentOf, type FakeNode, type FakeTree } from '../fakes/tree.ts'
import type { SimDevice } from './device.ts'
import { contentOf, type Ledger } from './ledger.ts'

/** The name of a conflict copy this long may have been cut, so that it does not say what it is a copy of. */
const CUT_FROM_BYTES = 250

export function checkEqual(devices: readonly SimDevice[]): string[] {
  const [first, ...others] = devices
  if (first === undefined) return []
  const soft = softPaths(devices)
  const tree = syncedLines(first, soft)
  return others.flatMap((other) => differences(first.name, tree, other.name, syncedLines(other, soft)))
}

/** Statements too: version vectors, dots, tombstones. */
export function checkStatements(devices: readonly SimDevice[]): string[] {
  const [first, ...others] = devices
  if (first === undefined) return []
  const soft = softPaths(devices)
  const lines = statementLines(first, soft)
  return others.flatMap((other) => differences(`${first.name}'s drive`, lines, `${other.name}'s drive`, statementLines(other, soft)))
}

/** A device's drive states what that device holds on disk. */
export function checkDrive(device: SimDevice, devices: readonly SimDevice[]): string[] {
  const soft = softPaths(devices)
  const stated = new Map<string, string>()
  for (const [path, entry] of device.log.statements()) if (entry.kind !== 'tombstone' && !soft.has(path)) stated.set(path, entryLine(entry))
  return differences(`${device.name}'s disk`, syncedLines(device, soft), `${device.name}'s drive`, stated)
}

/**
 * Every content that no user gave up where it stood is live somewhere (`checkEqual` says whether everywhere), or, where its copy's
 * name was ignored (`ignoring`), in a history (R7).
 */
export function checkNothingLost(devices: readonly SimDevice[], ledger: Ledger, ignoring: boolean): string[] {
  const there = new Set<string | null>()
  for (const { disk } of devices) {
    for (const [, node] of disk.tree.walk()) there.add(contentOf(node))
    if (ignoring) for (const node of disk.history.values()) there.add(contentOf(node))
  }
  const lost: string[] = []
  for (const [content, where] of ledger.kept()) if (!there.has(content)) lost.push(`lost: ${JSON.stringify(content)}, written at ${where}`)
  return lost
}

/** Every content that an apply ever displaced is in a history, or live. */
export function checkHistories(devices: readonly SimDevice[], ledger: Ledger): string[] {
  const there = new Set<string | null>()
  for (const { disk } of devices) {
    for (const [, node] of disk.tree.walk()) there.add(contentOf(node))
    for (const node of disk.history.values()) there.add(contentOf(node))
  }
  return [...ledger.histories].filter(([content]) => !there.has(content)).map(([content, where]) => `lost: ${JSON.stringify(content)}, displaced on ${where} and in no history any more`)
}

/** What stands in a history is listed, as what it is and where it stood. */
export function checkListed(device: SimDevice): string[] {
  const wrong: string[] = []
  for (const [name, node] of device.disk.history) {
    const row = device.historyRow(name)
    const path = device.disk.notes.get(name)?.path
    const what = `${device.name} has an old version of ${path} in history (${name})`
    if (row === null) wrong.push(`${what} that is not listed`)
    else if (row.path !== path) wrong.push(`${what} that is listed as one of ${row.path}`)
    else if (node.links < 2 && entryContent(row.entry) !== entryContentOf(node)) wrong.push(`${what} that is listed as something else`)
  }
  return wrong
}

function entryContent(entry: Entry): string {
  return entry.kind === 'file' ? entry.cid : entry.kind === 'symlink' ? entry.target : entry.kind
}

function entryContentOf(node: FakeNode): string {
  return node.kind === 'file' ? cut(node.data).cid : node.kind === 'symlink' ? node.target : node.kind
}

/** Every path was named by a user, or is a conflict copy beside such a path (which may be a copy that he wrote to), or above it where its directory is gone. */
export function checkNoStrays(device: SimDevice, ledger: Ledger, devices: readonly SimDevice[]): string[] {
  const bases = new Set([...ledger.paths].flatMap((path) => [path as PathKey, stripConflict(path as PathKey)]))
  const strays: string[] = []
  for (const [path] of device.disk.tree.walk()) {
    const base = stripConflict(path as PathKey)
    const isCut = base !== path && Buffer.byteLength(nameOf(path)) > CUT_FROM_BYTES
    const isAbove = base !== path && [...bases].some((named) => nameOf(named) === nameOf(base) && isBelow(named, parentOf(base) as PathKey))
    if (!ledger.paths.has(path) && !bases.has(base) && !isCut && !isAbove) strays.push(`stray on ${device.name}: ${path}`)
  }
  if (device.disk.aside.size > 0) strays.push(`${device.name} has directories that are set aside still`)
  if (device.disk.limbo.size > 0) strays.push(`${device.name} has displaced files that are in no history`)
  const awaited = contentsKeptOut(device, devices)
  for (const cid of device.disk.staging.keys()) if (!awaited.has(cid)) strays.push(`${device.name} still stages ${cid}`)
  return strays
}

/** Whether a directory stands there that only ignored and special things keep: what is to take its place waits (R39). */
export function isKeptByIgnored(device: SimDevice, path: string): boolean {
  return softPathsOf(device).has(path)
}

/** What others state where this device cannot put it. */
function contentsKeptOut(device: SimDevice, devices: readonly SimDevice[]): Set<string> {
  const soft = softPathsOf(device)
  const stated = devices.flatMap((other) => [...other.log.statements()])
  return new Set(stated.flatMap(([path, entry]) => (entry.kind === 'file' && soft.has(path) ? [entry.cid] : [])))
}

export interface DotsRules {
  /** Only what is stated now counts; earlier statements were renumbered (R19). */
  readonly now: boolean
  /** One path at a time: two devices whose state was put back may give one number to changes of two paths (docs/safety.md). */
  readonly byPath: boolean
}

/** A change has one meaning everywhere: kind and content. */
export function checkDots(devices: readonly SimDevice[], { now, byPath }: DotsRules): string[] {
  const meanings = new Map<string, string>()
  const wrong: string[] = []
  for (const device of devices) {
    for (const { path, entry } of now ? statementsOf(device) : device.log.blocks) {
      // A directory that only its descendants call for has the dots of what dominated there (R9).
      if (entry === null || entry.kind === 'directory') continue
      const meaning = `${entry.kind} ${entry.kind === 'file' ? entry.cid : entry.kind === 'symlink' ? entry.target : ''}`
      for (const [writer, n] of entry.dots) {
        const change = byPath ? `${writer}:${n} at ${path}` : `${writer}:${n}`
        const known = meanings.get(change)
        if (known !== undefined && known !== meaning) wrong.push(`change ${change} is both ${known} and ${meaning} (${path}, ${device.name})`)
        meanings.set(change, meaning)
      }
    }
  }
  return wrong
}

function statementsOf(device: SimDevice): { path: string; entry: Entry | null }[] {
  return [...device.log.statements()].map(([path, entry]) => ({ path, entry }))
}

/** For calm scripts: exactly what one user on one device would have. */
export function checkModel(device: SimDevice, model: FakeTree): string[] {
  return differences('the model', treeLines(model, false), device.name, treeLines(device.disk.tree, false))
}

function statementLines(device: SimDevice, soft: ReadonlySet<string>): Map<string, string> {
  const rules = createIgnore(ignoreTexts(device.disk))
  const lines = new Map<string, string>()
  for (const [path, entry] of device.log.statements()) {
    if (!soft.has(path) && !isIgnored(rules, path, entry.kind === 'directory')) lines.set(path, JSON.stringify(sorted(entry)))
  }
  return lines
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]))
}

function treeLines(tree: FakeTree, times: boolean): Map<string, string> {
  return new Map([...tree.walk()].map(([path, node]) => [path, nodeLine(node, times)]))
}

/** What of a device's tree is synced. */
function syncedLines({ disk }: SimDevice, soft: ReadonlySet<string>): Map<string, string> {
  const rules = createIgnore(ignoreTexts(disk))
  const lines = new Map<string, string>()
  for (const [path, node] of disk.tree.walk()) {
    if (!soft.has(path) && node.kind !== 'special' && !isIgnored(rules, path, node.kind === 'directory')) lines.set(path, nodeLine(node, true))
  }
  return lines
}

/** Directories that only ignored and special things keep on some device: they may be published as gone there (R10). */
function softPaths(devices: readonly SimDevice[]): Set<string> {
  return new Set(devices.flatMap((device) => [...softPathsOf(device)]))
}

function softPathsOf({ disk }: SimDevice): Set<string> {
  const soft = new Set<string>()
  const rules = createIgnore(ignoreTexts(disk))
  const isSynced = (path: string, node: FakeNode): boolean => {
    if (node.kind === 'special' || isIgnored(rules, path, node.kind === 'directory')) return false
    if (node.kind !== 'directory' || node.children.size === 0) return true
    const synced = [...node.children].map(([name, child]) => isSynced(joinPath(path, name), child))
    if (synced.includes(true)) return true
    soft.add(path)
    return false
  }
  for (const [name, node] of disk.tree.root.children) isSynced(name, node)
  return soft
}

function ignoreTexts({ tree }: DiskStore): string[] {
  const files = [...tree.root.children].filter(([name, node]) => node.kind === 'file' && stripConflict(name as PathKey) === IGNORE_FILE)
  return files.map(([, node]) => (node.kind === 'file' ? node.data.toString() : '')).filter((text) => text !== '')
}

function isIgnored(rules: IgnoreRules, path: string, isDirectory: boolean): boolean {
  return rules.ignored(path as PathKey, isDirectory) || (parentOf(path) !== '' && isIgnored(rules, parentOf(path), true))
}

function nodeLine(node: FakeNode, times: boolean): string {
  const mtime = times ? ` ${microseconds(node.mtimeNs)}` : ''
  if (node.kind === 'file') return `file ${node.mode.toString(8)}${mtime} ${cut(node.data).cid}`
  if (node.kind === 'symlink') return `symlink${mtime} ${node.target}`
  return `${node.kind} ${node.mode.toString(8)}`
}

function entryLine(entry: Entry): string {
  if (entry.kind === 'file') return `file ${entry.mode.toString(8)} ${entry.mtime} ${entry.cid}`
  if (entry.kind === 'symlink') return `symlink ${entry.mtime} ${entry.target}`
  return entry.kind === 'directory' ? `directory ${entry.mode.toString(8)}` : 'tombstone'
}

function differences(leftName: string, left: ReadonlyMap<string, string>, rightName: string, right: ReadonlyMap<string, string>): string[] {
  const lines: string[] = []
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    if (left.get(path) !== right.get(path)) lines.push(`${path}: ${leftName} ${left.get(path) ?? 'nothing'} | ${rightName} ${right.get(path) ?? 'nothing'}`)
  }
  return lines
}
