/**
 * kill -9 between any two system calls: each change is run again and again, and each time the process "dies" one call later (that
 * call and all that follow never happen). After a new start: every byte that was there is in the tree or in history, every path
 * holds its old or its new content whole, nothing of ours is left lying around, and the change can be carried out.
 */
import * as realFs from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Capabilities } from '../../daemon/disk/atomic.ts'
import type { ApplyOp } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { aroundNativeCalls } from './native-calls.ts'

const CALLS = ['open', 'close', 'fsync', 'fdatasync', 'fchmod', 'chmod', 'futimes', 'lutimes', 'link', 'unlink', 'rename', 'rmdir', 'mkdir', 'symlink', 'copyFile', 'write', 'read', 'lstat', 'fstat', 'readlink', 'readdir'] as const

/** Calls until death; null: immortal. */
let left: number | null = null
let dead = false
/** Calls after death. */
let refused = 0
/** Calls that the system has not answered. */
let underWay = 0

function dies(): boolean {
  if (dead) refused++
  if (dead) return true
  if (left === null) return false
  if (left === 0) dead = true
  else left--
  return dead
}

/** Before the modules of disk/ are loaded, which bind these functions. */
function makeMortal(): void {
  const require = createRequire(import.meta.url)
  const fs = require('node:fs') as Record<string, (...args: unknown[]) => unknown>
  for (const name of CALLS) {
    const real = fs[name] as (...args: unknown[]) => unknown
    fs[name] = (...args) => (dies() ? undefined : real.apply(fs, counted(args)))
    const atOnce = fs[`${name}Sync`] as (...args: unknown[]) => unknown
    fs[`${name}Sync`] = (...args) => {
      // It cannot but return; whatever is done about the error dies as well.
      if (dies()) throw new Error('dead')
      return atOnce.apply(fs, args)
    }
  }
  syncBuiltinESMExports()
  const native = require('fs-native-extensions') as { swap: (a: string, b: string) => Promise<void> }
  const { swap } = native
  native.swap = async (a, b) => {
    if (dies()) await new Promise<void>(() => undefined)
    underWay++
    await swap(a, b).finally(() => underWay--)
  }
  // Those that Node does not have.
  aroundNativeCalls((real) => ({
    atOnce: (...args) => {
      if (dies()) throw new Error('dead')
      return real(...args)
    },
    inPool: (...args) => (dies() ? undefined : real.async(...counted(args)))
  }))
}

/** The last argument is the callback. */
function counted(args: readonly unknown[]): unknown[] {
  const callback = args[args.length - 1] as (...results: unknown[]) => void
  underWay++
  return [...args.slice(0, -1), (...results: unknown[]) => {
    underWay--
    callback(...results)
  }]
}

makeMortal()
const { apply, directoryOp, fileOp, historyTexts, leftInStaging, moveOp, openFolder, removeOp, stage, statOf, symlinkOp, tree } = await import('./tree.ts')
type Folder = Awaited<ReturnType<typeof openFolder>>

interface Change {
  readonly name: string
  readonly before: Readonly<Record<string, string>>
  readonly directories?: readonly string[]
  readonly staged?: string
  ops(folder: Folder): readonly ApplyOp[]
  /** Tree after the change. */
  readonly after: readonly string[]
  /** Paths that must never be absent. */
  readonly always: readonly string[]
}

const CHANGES: readonly Change[] = [
  { name: 'a new file', before: {}, staged: 'new', ops: () => [fileOp('f', 'new')], after: ['f=new'], always: [] },
  { name: 'a new symlink', before: {}, ops: () => [symlinkOp('l', 'target')], after: ['l'], always: [] },
  { name: 'a file replaced', before: { f: 'old' }, staged: 'new', ops: ({ rows }) => [fileOp('f', 'new', { expect: rows.seen('f') })], after: ['f=new'], always: ['f'] },
  { name: 'a file removed', before: { f: 'old' }, ops: ({ rows }) => [removeOp('f', rows.seen('f'))], after: [], always: [] },
  { name: 'a file becomes a directory', before: { f: 'old' }, ops: ({ rows }) => [directoryOp('f', { expect: rows.seen('f') })], after: ['f'], always: ['f'] },
  { name: 'an empty directory becomes a file', before: {}, directories: ['d'], staged: 'new', ops: ({ rows }) => [fileOp('d', 'new', { expect: rows.seen('d') })], after: ['d=new'], always: ['d'] },
  {
    name: 'a conflict: the loser linked, the winner in its place',
    before: { f: 'mine' },
    staged: 'theirs',
    ops: ({ rows }) => [
      { kind: 'link', path: 'f' as PathKey, expect: rows.seen('f'), to: 'copy' as PathKey },
      fileOp('f', 'theirs', { expect: rows.seen('f'), displace: { to: 'linked', at: 'copy' as PathKey } })
    ],
    after: ['copy=mine', 'f=theirs'],
    always: ['f']
  },
  { name: 'a file moved', before: { f: 'bytes' }, ops: ({ rows }) => [moveOp('f', 'g', rows.seen('f'))], after: ['g=bytes'], always: [] },
  {
    name: 'a file moved over another',
    before: { f: 'bytes', g: 'old' },
    ops: ({ rows }) => [moveOp('f', 'g', rows.seen('f'), { expect: rows.seen('g') })],
    after: ['g=bytes'],
    always: ['g']
  }
]

/** `changes`: those that take another way there. */
const MACHINES: readonly { readonly name: string; readonly capabilities: Capabilities; readonly changes: RegExp }[] = [
  { name: 'all that Linux has', capabilities: { noReplace: true, links: true, exchange: true }, changes: /./ },
  { name: 'FAT', capabilities: { noReplace: true, links: false, exchange: false }, changes: /new|replaced|removed|directory|conflict/ },
  { name: 'links and exchange', capabilities: { noReplace: false, links: true, exchange: true }, changes: /new|conflict/ },
  { name: 'no exchange', capabilities: { noReplace: false, links: true, exchange: false }, changes: /replaced|directory/ },
  { name: 'no links', capabilities: { noReplace: false, links: false, exchange: true }, changes: /new file|conflict/ },
  { name: 'neither', capabilities: { noReplace: false, links: false, exchange: false }, changes: /new file|replaced/ }
]
const MAX_CALLS = 200
const QUIET_TURNS = 5

for (const { name: machine, capabilities, changes } of MACHINES) {
  for (const change of CHANGES.filter(({ name }) => changes.test(name))) {
    test(`${machine}: ${change.name}, killed at every call`, { timeout: 60_000 }, async (t) => {
      let calls = 0
      while (calls < MAX_CALLS && !(await killedAfter(t, calls, change, capabilities))) calls++
      t.ok(calls > 3 && calls < MAX_CALLS, `${calls} calls`)
    })
  }
}

/** @returns true if it was done before that many calls were made. */
async function killedAfter(t: Assert, calls: number, change: Change, capabilities: Capabilities): Promise<boolean> {
  const folder = await prepare(t, change, capabilities)
  const ops = change.ops(folder)
  left = calls
  const done = await doneOrDead(folder.disk.apply(ops, () => false))
  // What was under way in other threads ends; what would follow it never happens.
  await until(() => underWay === 0)
  await allRefused()
  left = null
  dead = false
  await look(t, folder, change, capabilities, calls)
  return done
}

async function prepare(t: Assert, change: Change, capabilities: Capabilities): Promise<Folder> {
  const folder = await openFolder(t, { capabilities, root: await newRoot(t) }, false)
  for (const directory of change.directories ?? []) realFs.mkdirSync(join(folder.root, directory))
  for (const [path, data] of Object.entries(change.before)) {
    realFs.writeFileSync(join(folder.root, path), data)
    realFs.utimesSync(join(folder.root, path), 1_600_000_000, 1_600_000_000)
  }
  // As a scan would report it, which would let each new file settle first.
  for (const path of tree(folder.root)) folder.rows.put(path, { entry: { kind: 'tombstone', vv: {}, dots: [] }, seen: statOf(folder.root, path) })
  if (change.staged !== undefined) await stage(folder.disk, change.staged)
  return folder
}

let roots = 0
const parents = new WeakMap<Assert, string>()

/** In memory where there is such a file system: only the order of calls counts here, and each run waits for dozens of fsyncs. */
async function newRoot(t: Assert): Promise<string> {
  const parent = parents.get(t) ?? realFs.mkdtempSync(join(realFs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'p2psync-crash-'))
  if (!parents.has(t)) t.teardown(() => realFs.rmSync(parent, { recursive: true, force: true }))
  parents.set(t, parent)
  return join(parent, String(roots++))
}

/** @returns false if the process died before it was done. */
async function doneOrDead(work: Promise<unknown>): Promise<boolean> {
  let done = false
  const finished = (): void => void (done = true)
  work.then(finished, finished)
  await until(() => done || dead)
  return done && !dead
}

/** What goes on after the error of a call that died has come to its end. */
async function allRefused(): Promise<void> {
  for (let quiet = 0, seen = refused; quiet < QUIET_TURNS; quiet = refused === seen ? quiet + 1 : 0) {
    seen = refused
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

async function look(t: Assert, folder: Folder, change: Change, capabilities: Capabilities, calls: number): Promise<void> {
  const { root, rows } = folder
  const disk = await folder.again({ capabilities })
  await disk.recover()
  const now = describe(root)
  const texts = [...now.map((line) => line.split('=')[1]), ...historyTexts(root)]
  const problems = [
    ...Object.values(change.before).filter((text) => !texts.includes(text)).map((text) => `lost: ${text}`),
    ...change.always.filter((path) => !now.some((line) => line.split('=')[0] === path)).map((path) => `absent: ${path}`),
    ...now.filter((line) => !possible(change).has(line)).map((line) => `neither old nor new: ${line}`),
    ...leftInStaging(root).map((name) => `left in staging: ${name}`),
    ...(await misnamed(disk, root, change))
  ]
  if (problems.length > 0) t.alike(problems, [], `after ${calls} calls`)
  await finish(t, { root, disk, rows, again: folder.again }, change, calls)
}

/** What is in history is known by the path at which it stood, though no index was told. */
async function misnamed(disk: Folder['disk'], root: string, change: Change): Promise<string[]> {
  const names = await disk.recentHistory(Number.MAX_SAFE_INTEGER)
  const notes = await disk.historyNotes(names)
  return names.flatMap((name, i) => {
    const text = realFs.readFileSync(join(root, '.p2psync/history', name), 'utf8')
    const path = Object.keys(change.before).find((before) => change.before[before] === text)
    // An empty file that held a name; a copy for another name, of what stands in the tree still.
    const isOurs = text === '' || describe(root).some((line) => line.endsWith(`=${text}`))
    return isOurs || notes[i]?.path === path ? [] : [`in history: ${text}, as ${notes[i]?.path}`]
  })
}

/** The next cycle scans and carries out what is still to do. */
async function finish(t: Assert, folder: Folder, change: Change, calls: number): Promise<void> {
  if (same(describe(folder.root), change.after)) return
  for (const path of tree(folder.root)) folder.rows.put(path, { entry: { kind: 'tombstone', vv: {}, dots: [] }, seen: statOf(folder.root, path) })
  if (change.staged !== undefined) await stage(folder.disk, change.staged)
  const done = new Set(describe(folder.root).map((line) => line.split('=')[0]))
  // What has its new name already is found there, and only the old one is still to go.
  const left = (op: ApplyOp): readonly ApplyOp[] => (op.kind === 'move' && op.expect === null && done.has(op.path) ? [removeOp(op.from, op.source)] : op.kind === 'link' && done.has(op.to) ? [] : [op])
  const ops = change.ops(folder).flatMap(left)
  await apply(folder.disk, ...ops)
  if (!same(describe(folder.root), change.after)) t.alike(describe(folder.root), change.after, `finished after ${calls} calls`)
}

/** Everything that may stand in the tree on the way: the old, the new, and never a mixture or an empty file. */
function possible(change: Change): ReadonlySet<string> {
  return new Set([...Object.entries(change.before).map(([path, text]) => `${path}=${text}`), ...(change.directories ?? []), ...change.after])
}

function describe(root: string): string[] {
  return tree(root).map((path) => (realFs.lstatSync(join(root, path)).isFile() ? `${path}=${realFs.readFileSync(join(root, path), 'utf8')}` : path))
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i])
}
