/** Statements of a member that turned evil: what they must not do to the others. */
import test from 'brittle'
import { decodeEntry, encodeEntry } from '../../daemon/drive/entry-codec.ts'
import type { Entry, FileEntry } from '../../daemon/sync/entry.ts'
import type { PathKey, WriterId } from '../../daemon/sync/ids.ts'
import { bump } from '../../daemon/sync/version.ts'
import { DriveLog } from '../fakes/drive.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const LAST = Number.MAX_SAFE_INTEGER

async function two(): Promise<{ world: FolderWorld; a: FolderDevice; evil: FolderDevice }> {
  const world = await FolderWorld.open({}, {})
  const [a, evil] = world.devices
  if (a === undefined || evil === undefined) throw new Error('unreachable')
  return { world, a, evil }
}

function fits(entry: Entry): boolean {
  const { keyspace, value } = encodeEntry(entry, entry.kind === 'file' && entry.size > 0 ? { blockOffset: 0, blockLength: 1, byteOffset: 0, byteLength: entry.size } : null)
  return decodeEntry(keyspace, value) !== null
}

/** A directory whose vector says that our own writer has taken the last number there is. */
function trap(evil: WriterId, victim: WriterId): Entry {
  return { kind: 'directory', vv: bump({ [victim]: LAST }, evil, 1000), dots: [[evil, 1000]], mdot: [evil, 1000], mode: 0o755 }
}

test('a number of our own writer that another device made up is none that we go on from in a new drive', async (t) => {
  const { world, a, evil } = await two()
  a.user.write('mine', 'one')
  await world.rest()
  const { writer } = a.drive
  evil.drive.append([{ path: 'trap' as PathKey, entry: trap(evil.drive.writer, writer), list: null, blob: null }])
  evil.drive.announce()
  await world.rest()
  t.ok(a.drive.statements().has('trap' as PathKey), 'it was taken in')
  a.user.write('before', 'two')
  await world.rest()
  t.ok(fits(a.drive.statements().get('before' as PathKey) as Entry), 'what a states can be read')
  // The evil device is removed: a new key, so a new drive of the same writer.
  a.kill()
  evil.kill()
  a.replicas.clear()
  const next = new DriveLog(a.device, 2, '', writer)
  Object.assign(a, { drive: next })
  a.start()
  await world.rest()
  a.user.write('later', 'three')
  a.user.write('mine', 'changed')
  await world.rest()
  for (const path of ['later', 'mine']) {
    const entry = next.statements().get(path as PathKey) as FileEntry
    t.ok(entry !== undefined && fits(entry), `${path}: others can read what a states (${JSON.stringify(entry?.dots)})`)
  }
})

test('a device that states what is not valid, again and again, is told of briefly', async (t) => {
  const { world, a, evil } = await two()
  const bad = Array.from({ length: 3000 }, (_, i) => ({ path: `bad ${i}`, code: 'invalid-name', message: 'the name is not allowed in a synced folder' }))
  evil.drive.append(bad.map((problem) => ({ path: 'bad' as PathKey, entry: null, list: null, blob: null, problem })))
  evil.drive.announce()
  await world.rest()
  const { problems } = a.folder.status()
  t.is(problems.length, 101)
  t.alike(problems.slice(0, 100), bad.slice(0, 100))
  t.ok(problems[100]?.message.includes('2900 more'))
})
