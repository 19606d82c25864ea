/** What must hold once everything is connected and nothing happens any more. Each returns sentences; none is good. */
import { stripConflict } from '../../daemon/sync/conflict.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { cut, microseconds } from '../fakes/disk-scan.ts'
import type { DriveLog } from '../fakes/drive.ts'
import type { FakeNode, FakeTree } from '../fakes/tree.ts'
import type { SimDevice } from './device.ts'
import { contentOf, type Ledger } from './ledger.ts'

export function checkEqual(devices: readonly SimDevice[]): string[] {
  const [first, ...others] = devices
  if (first === undefined) return []
  const tree = treeLines(first.disk.tree, true)
  return others.flatMap((other) => differences(first.name, tree, other.name, treeLines(other.disk.tree, true)))
}

/** Statements too: version vectors, dots, tombstones. */
export function checkStatements(devices: readonly SimDevice[]): string[] {
  const [first, ...others] = devices
  if (first === undefined) return []
  const lines = statementLines(first.log)
  return others.flatMap((other) => differences(`${first.name}'s drive`, lines, `${other.name}'s drive`, statementLines(other.log)))
}

/** A device's drive states what that device holds on disk. */
export function checkDrive(device: SimDevice): string[] {
  const stated = new Map<string, string>()
  for (const [path, entry] of device.log.statements()) if (entry.kind !== 'tombstone') stated.set(path, entryLine(entry))
  return differences(`${device.name}'s disk`, treeLines(device.disk.tree, true), `${device.name}'s drive`, stated)
}

/** Every content that no user gave up where it stood is live. */
export function checkNothingLost(device: SimDevice, ledger: Ledger): string[] {
  const live = new Set([...device.disk.tree.walk()].map(([, node]) => contentOf(node)))
  const lost: string[] = []
  for (const [content, where] of ledger.kept()) if (!live.has(content)) lost.push(`lost on ${device.name}: ${JSON.stringify(content)}, written at ${where}`)
  return lost
}

/** Every path was named by a user, or is a conflict copy beside such a path. */
export function checkNoStrays(device: SimDevice, ledger: Ledger): string[] {
  const strays: string[] = []
  for (const [path] of device.disk.tree.walk()) {
    if (!ledger.paths.has(path) && !ledger.paths.has(stripConflict(path as PathKey))) strays.push(`stray on ${device.name}: ${path}`)
  }
  if (device.disk.limbo.size > 0) strays.push(`${device.name} has displaced files that are in no history`)
  if (device.disk.staging.size > 0) strays.push(`${device.name} still stages ${device.disk.staging.size} contents`)
  return strays
}

/** A change has one meaning everywhere: kind and content. */
export function checkDots(devices: readonly SimDevice[]): string[] {
  const meanings = new Map<string, string>()
  const wrong: string[] = []
  for (const device of devices) {
    for (const { path, entry } of device.log.blocks) {
      if (entry === null) continue
      const meaning = `${entry.kind} ${entry.kind === 'file' ? entry.cid : entry.kind === 'symlink' ? entry.target : ''}`
      for (const [writer, n] of entry.dots) {
        const known = meanings.get(`${writer}:${n}`)
        if (known !== undefined && known !== meaning) wrong.push(`change ${writer}:${n} is both ${known} and ${meaning} (${path}, ${device.name})`)
        meanings.set(`${writer}:${n}`, meaning)
      }
    }
  }
  return wrong
}

/** For calm scripts: exactly what one user on one device would have. */
export function checkModel(device: SimDevice, model: FakeTree): string[] {
  return differences('the model', treeLines(model, false), device.name, treeLines(device.disk.tree, false))
}

function statementLines(log: DriveLog): Map<string, string> {
  return new Map([...log.statements()].map(([path, entry]) => [path, JSON.stringify(sorted(entry))]))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]))
}

function treeLines(tree: FakeTree, times: boolean): Map<string, string> {
  const lines = new Map<string, string>()
  for (const [path, node] of tree.walk()) if (isSynced(node)) lines.set(path, nodeLine(node, times))
  return lines
}

/** Special files are nobody's business, nor are directories that only they keep (R10). */
function isSynced(node: FakeNode): boolean {
  if (node.kind === 'special') return false
  return node.kind !== 'directory' || node.children.size === 0 || [...node.children.values()].some(isSynced)
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
