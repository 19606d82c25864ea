/** What must hold once all devices are in sync and nobody acts any more. Each returns sentences; none is good. */
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { stripConflict } from '../../daemon/sync/conflict.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import type { FolderStatus } from '../../rpc/shapes.ts'
import type { Device } from '../e2e/harness.ts'
import { differences, type Tree } from '../e2e/tree.ts'
import { linkContent, sha256, type Ledger } from './ledger.ts'

/** The name of a conflict copy this long may have been cut, so that it does not say what it is a copy of. */
const CUT_FROM_BYTES = 240
const MAX_MEMORY_BYTES = 500 * 1024 * 1024

/** Content hashes of the tree and of the history of one device, with a path each. */
export interface Contents {
  readonly live: ReadonlyMap<string, string>
  readonly history: ReadonlyMap<string, string>
}

export function contentsOf(device: Device): Contents {
  const live = new Map<string, string>()
  const history = new Map<string, string>()
  gather(device.path(), live, '.p2psync')
  // Made when something is displaced for the first time.
  if (existsSync(device.path('.p2psync', 'history'))) gatherHistory(device.path('.p2psync', 'history'), history)
  return { live, history }
}

/** As `gather`, of what is kept: what lies beside the hours are our own notes. */
export function gatherHistory(root: string, found: Map<string, string>): void {
  for (const hour of readdirSync(root, { withFileTypes: true })) if (hour.isDirectory()) gather(join(root, hour.name), found, null)
}

/** All content hashes below a directory. */
export function gather(directory: string, found: Map<string, string>, skip: string | null): void {
  for (const name of readdirSync(directory)) {
    if (name === skip) continue
    const path = join(directory, name)
    const stat = lstatSync(path)
    if (stat.isDirectory()) gather(path, found, null)
    else if (stat.isSymbolicLink()) found.set(sha256(linkContent(readlinkSync(path))), path)
    else if (stat.isFile()) found.set(sha256(readFileSync(path)), path)
  }
}

export function checkTrees(devices: readonly Device[], trees: readonly Tree[]): string[] {
  const [first, ...others] = trees
  if (first === undefined) return []
  return others.flatMap((tree, i) => differences(first, tree).map((line) => `trees differ, ${devices[0]?.name} < > ${devices[i + 1]?.name}: ${line}`))
}

export function checkNothingLost(contents: readonly Contents[], ledger: Ledger): string[] {
  const wrong: string[] = []
  for (const [hash, where] of ledger.kept()) {
    if (contents.some(({ live }) => live.has(hash))) continue
    const kept = contents.map(({ history }) => history.get(hash)).find((path) => path !== undefined)
    wrong.push(kept === undefined ? `LOST: ${hash.slice(0, 8)} written at ${where}` : `buried: ${hash.slice(0, 8)} written at ${where} is only in history: ${kept}`)
  }
  return wrong
}

export function checkNoMixtures(contents: readonly Contents[], ledger: Ledger): string[] {
  const wrong: string[] = []
  for (const { live, history } of contents) {
    for (const [hash, path] of [...live, ...history]) {
      if (!ledger.isKnown(hash) && !isLink(path)) wrong.push(`MIXTURE: ${path} holds ${hash.slice(0, 8)}, which nobody wrote`)
    }
  }
  return wrong
}

export function checkNoStrays(device: Device, tree: Tree, ledger: Ledger): string[] {
  const bases = new Set([...ledger.names].map((name) => stripConflict(name as PathKey)))
  const wrong: string[] = []
  for (const path of tree.keys()) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    const isCut = Buffer.byteLength(name) > CUT_FROM_BYTES
    if (!isCut && !ledger.names.has(name) && !bases.has(stripConflict(name as PathKey))) wrong.push(`stray on ${device.name}: ${path}`)
  }
  return wrong
}

/** `empty`: empty directories count as well. */
export function checkStaging(device: Device, empty = true): string[] {
  return ['fetch', 'swap', 'aside'].flatMap((area) => {
    const at = device.path('.p2psync', 'staging', area)
    const names = readNames(at).filter((name) => empty || !isEmptyDirectory(join(at, name)))
    return names.length === 0 ? [] : [`${device.name} has ${names.length} leftovers in staging/${area}: ${names.slice(0, 3).join(' ')}`]
  })
}

function isEmptyDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true && readNames(path).length === 0
}

/** Drafts of small files that a crash left. */
export function checkDrafts(device: Device): string[] {
  const own = readNames(device.path('.p2psync')).filter((name) => !['marker.json', 'staging', 'history'].includes(name))
  const state = readNames(join(device.home, 'state')).filter((name) => name.endsWith('.tmp'))
  const keys = readNames(join(device.home, 'state', 'keys')).filter((name) => name.endsWith('.tmp'))
  return [...own, ...state, ...keys].map((name) => `${device.name} has a stray file of ours: ${name}`)
}

/** As `p2psync doctor --check` on the folder `docs`. */
export async function checkDoctor(device: Device): Promise<string[]> {
  const { findings } = await device.call('folders.check', { folder: 'docs' })
  return findings.map(({ path, code, message }) => `${device.name}, the doctor: ${code} ${path}: ${message}`)
}

export function checkStatus(device: Device, folder: FolderStatus | undefined, tree: Tree): string[] {
  if (folder === undefined) return [`${device.name} has no folder`]
  const wrong: string[] = []
  if (folder.state !== 'idle') wrong.push(`${device.name} is ${folder.state}, not idle`)
  if (folder.need.files + folder.need.bytes + folder.need.deletes > 0) wrong.push(`${device.name} needs ${JSON.stringify(folder.need)}`)
  for (const other of folder.devices) {
    if (!other.inSync) wrong.push(`${device.name} says ${other.id.slice(0, 8)} is not in sync`)
    if (other.need.files + other.need.bytes + other.need.deletes > 0) wrong.push(`${device.name} says ${other.id.slice(0, 8)} needs ${JSON.stringify(other.need)}`)
  }
  for (const problem of folder.problems) wrong.push(`${device.name} has a problem: ${JSON.stringify(problem)}`)
  const files = [...tree.values()].filter((line) => line.startsWith('file') || line.startsWith('symlink')).length
  const directories = [...tree.values()].filter((line) => line.startsWith('directory')).length
  if (folder.files !== files || folder.directories !== directories) wrong.push(`${device.name} counts ${folder.files} files and ${folder.directories} directories, there are ${files} and ${directories}`)
  return wrong
}

export function checkLog(device: Device, log: string): string[] {
  const bad = log.split('\n').filter((line) => line.startsWith('{"level":50') || line.includes('a bug') || (line.trim() !== '' && !line.startsWith('{')))
  return bad.slice(0, 5).map((line) => `${device.name} logged: ${line.slice(0, 1500)}`)
}

export function checkMemory(device: Device, peakBytes: number): string[] {
  return peakBytes > MAX_MEMORY_BYTES ? [`${device.name} used ${Math.round(peakBytes / 1024 / 1024)} MiB`] : []
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink()
}

function readNames(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return [] // not made yet
  }
}
