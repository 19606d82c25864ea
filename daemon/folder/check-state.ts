/** The checker's parts about the folder as a whole: cores of our drive, staging, what is kept of other drives, the checkpoint. */
import type { RemoteDrive, Row, Totals } from '../ports.ts'
import { sameEntry } from '../sync/entry-compare.ts'
import type { Entry } from '../sync/entry.ts'
import type { PathKey } from '../sync/ids.ts'
import type { CheckWorld, Fault } from './check.ts'
import type { FolderContext } from './context.ts'
import { judgeEpoch } from './epoch.ts'
import { listUnlisted } from './unlisted.ts'

export async function* checkCore({ context, checked, signal }: CheckWorld, only: readonly Fault[] | null): AsyncGenerator<Fault> {
  const { nodes, faults } = await context.ports.own.audit(signal)
  if (only === null) checked.treeNodes += nodes
  for (const what of faults) yield { key: `core:${what}`, path: '', code: 'core-damaged', message: `our drive is damaged: ${what}; a new drive states everything again`, evidence: what, repair: null }
}

export async function* checkStrays(world: CheckWorld): AsyncGenerator<Fault> {
  const strays = await world.act(async ({ ports: { disk } }) => await disk.strays(false))
  for (const { path, code } of strays) {
    const message = code === 'left-over' ? `${path} was left over; if it may be yours it goes to history` : `${path} can be entered by others; its mode must be 0700`
    yield { key: `${code}:${path}`, path, code, message, evidence: '', repair: clearStrays }
  }
}

async function clearStrays(context: FolderContext): Promise<void> {
  await context.ports.disk.strays(true)
  await listUnlisted(context, 'recent')
  context.work.markScan('all')
}

/** What the index keeps of each other drive must be what that drive states up to where it was read. */
export async function* checkRemotes(world: CheckWorld, only: readonly Fault[] | null): AsyncGenerator<Fault> {
  const { remotes } = world.context.ports
  for (const drive of remotes.list()) {
    if (only !== null && !only.some(({ key }) => key === `remote:${drive.key}`)) continue
    // What an older generation stated may have been forgotten (R14).
    if (remotes.list().some((other) => other.device === drive.device && other.generation > drive.generation)) continue
    const what = await remoteFault(world, drive, only === null)
    if (what !== null) yield remote(drive, what)
  }
}

function remote({ key, device }: RemoteDrive, what: string): Fault {
  return {
    key: `remote:${key}`,
    path: '',
    code: 'remote-differs',
    message: `what is kept of the drive of ${device.slice(0, 12)} is not what it states: ${what}; it is read again`,
    evidence: what,
    repair: async ({ ports: { index }, work }) => {
      const batch = index.batch()
      batch.dropRemote(key)
      await batch.flush()
      work.markPull()
    }
  }
}

async function remoteFault(world: CheckWorld, drive: RemoteDrive, count: boolean): Promise<string | null> {
  const { index } = world.context.ports
  const checkpoint = index.remoteCheckpoint(drive.key)
  if (checkpoint === null) return null
  if (checkpoint.fork === drive.fork && checkpoint.length > drive.length) return `it was read to ${checkpoint.length} and is ${drive.length} long`
  const stated = await statementsUpTo(drive, checkpoint.length, world.signal)
  if (stated === null) return null
  const fault = await world.act(async () => {
    // Read further meanwhile: the second look is at rest.
    if (index.remoteCheckpoint(drive.key)?.length !== checkpoint.length) return null
    const kept = new Set<PathKey>()
    for await (const rows of index.allRemote(drive.key)) {
      for (const { path, entry } of rows) {
        kept.add(path)
        if (!sameEntry(stated.get(path) ?? null, entry)) return `another version of ${path}`
      }
    }
    const lost = [...stated.keys()].find((path) => !kept.has(path))
    return lost === undefined ? null : `nothing of ${lost}`
  })
  if (count) world.checked.statements += stated.size
  return fault
}

/** Null if its blocks are not all here, or if it grew past that length within one batch. */
async function statementsUpTo(drive: RemoteDrive, length: number, signal: AbortSignal): Promise<ReadonlyMap<PathKey, Entry> | null> {
  const stated = new Map<PathKey, Entry>()
  let read = 0
  for await (const batch of drive.changes(null, signal)) {
    read = batch.length
    if (read > length) return null
    for (const { path, entry } of batch.changes) {
      if (entry === null) stated.delete(path)
      else stated.set(path, entry)
    }
    if (read === length) return stated
  }
  return read === length ? stated : null
}

/** The index names our drive as it is, no number of our writer above the last one, and counts as many rows as it has. */
export async function* checkIndex(world: CheckWorld): AsyncGenerator<Fault> {
  const { index, own } = world.context.ports
  let highest = 0
  const counted = { files: 0, directories: 0, bytes: 0 }
  for await (const rows of index.all()) {
    for (const { row } of rows) {
      highest = Math.max(highest, row.entry.vv[own.writer] ?? 0)
      count(counted, row)
    }
  }
  const totals = totalsFault(counted, index.totals)
  if (totals !== null) yield totals
  const what = await world.act(async (context) => await checkpointFault(context, highest))
  if (what === null) return
  yield { key: 'checkpoint', path: '', code: 'checkpoint', message: what.message, evidence: what.message, repair: what.mendable ? async (context) => await mendCheckpoint(context, highest) : null }
}

function count(totals: { files: number; directories: number; bytes: number }, { entry, ignored }: Row): void {
  if (ignored === true || entry.kind === 'tombstone') return
  if (entry.kind === 'directory') totals.directories++
  else totals.files++
  if (entry.kind === 'file') totals.bytes += entry.size
}

function totalsFault(counted: Totals, told: Totals): Fault | null {
  if (counted.files === told.files && counted.directories === told.directories && counted.bytes === told.bytes) return null
  const words = ({ files, directories, bytes }: Totals): string => `${files} files, ${directories} directories and ${bytes} bytes`
  const message = `the index says ${words(told)} and has rows of ${words(counted)}; they are counted again`
  return { key: 'totals', path: '', code: 'totals', message, evidence: message, repair: async ({ ports }) => await ports.index.recount() }
}

async function checkpointFault({ ports: { index, own, disk } }: FolderContext, highest: number): Promise<{ readonly message: string; readonly mendable: boolean } | null> {
  const known = index.own
  if (known === null || known.drive !== own.key) return { message: 'the index names another drive than the one that is written; restart the daemon', mendable: false }
  if (known.length > own.length) return { message: `the index knows ${known.length} blocks of our drive, which has ${own.length}; restart the daemon, and a new drive takes over`, mendable: false }
  if (known.length < own.length) return { message: `the index knows ${known.length} of the ${own.length} blocks of our drive`, mendable: true }
  if (known.counter < highest) return { message: `the index counts to ${known.counter}, and ${highest} is in use`, mendable: true }
  const root = await disk.inspect()
  if (root.kind === 'ready' && judgeEpoch(known.epoch, root.epoch) !== 'same') return { message: 'files and index are not of one time; restart the daemon, and they are compared', mendable: false }
  return null
}

/** The rows were held against the drive before. */
async function mendCheckpoint({ ports: { index, own }, counter }: FolderContext, highest: number): Promise<void> {
  const known = counter.commit(own.length)
  const mended = { ...known, counter: Math.max(known.counter, highest) }
  const batch = index.batch()
  batch.setOwn(mended)
  await batch.flush()
  counter.restore(mended)
}
