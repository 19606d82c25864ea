/** Drives of other devices, replicated over a Noise stream in this process. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import test, { type Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperdrive from 'hyperdrive'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Drives } from '../../daemon/drive/drives.ts'
import { drivePath } from '../../daemon/drive/drive-path.ts'
import type { Own } from '../../daemon/drive/own.ts'
import type { Publication, RemoteBatch, RemoteDrive } from '../../daemon/ports.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { DriveKey, PathKey } from '../../daemon/sync/ids.ts'
import { Contents, DEVICE, FOLDER, FOLDER_KEY, SELF, directory, file, gone, openDrives, path, symlink, tombstone } from './fixtures.ts'

interface Growth {
  readonly onGrow: () => void
  /** Resolves when `done` holds, looked at now and after each growth. */
  until(done: () => boolean | Promise<boolean>): Promise<void>
}

function growth(): Growth {
  let wake = () => {}
  return {
    onGrow: () => wake(),
    async until(done) {
      for (;;) {
        const grown = new Promise<void>((resolve) => {
          wake = resolve
        })
        if (await done()) return
        await grown
      }
    }
  }
}

/** Both ends of a connection; destroyed with the test. */
function connect(t: Assert): [NoiseSecretStream, NoiseSecretStream] {
  const a = new NoiseSecretStream(true)
  const b = new NoiseSecretStream(false)
  for (const stream of [a, b]) stream.on('error', () => undefined)
  const [left, right] = [a.rawStream, b.rawStream] as unknown as [Duplex, Duplex]
  left.pipe(right).pipe(left)
  t.teardown(() => {
    a.destroy()
    b.destroy()
  })
  return [a, b]
}

async function openRemote(drives: Drives, key: DriveKey, onGrow: () => void): Promise<RemoteDrive> {
  return drives.openRemote({ folder: FOLDER, folderKey: FOLDER_KEY, device: DEVICE, driveKey: key, generation: 1, onGrow })
}

async function read(drive: RemoteDrive, since: { length: number; fork: number } | null, signal = new AbortController().signal): Promise<RemoteBatch[]> {
  const batches: RemoteBatch[] = []
  for await (const batch of drive.changes(since, signal)) batches.push(batch)
  return batches
}

function state(batches: readonly RemoteBatch[]): Map<PathKey, Entry | null> {
  return new Map(batches.flatMap((batch) => batch.changes.map(({ path, entry }) => [path, entry] as const)))
}

const own = (drives: Drives): Promise<Own> => drives.openOwn({ folder: FOLDER, device: SELF, folderKey: FOLDER_KEY, generation: 1 })

async function pair(t: Assert) {
  const a = await openDrives(t, 1)
  const b = await openDrives(t, 2)
  const drive = await own(a.drives)
  const grown = growth()
  const remote = await openRemote(b.drives, drive.key, grown.onGrow)
  return { a, b, drive, remote, grown }
}

function attach(t: Assert, a: Drives, b: Drives, key: DriveKey): [NoiseSecretStream, NoiseSecretStream] {
  const [x, y] = connect(t)
  t.ok(a.replicate(key, x))
  t.ok(b.replicate(key, y))
  return [x, y]
}

test('changes of another device come as it made them, and on from a checkpoint', async (t) => {
  const { a, b, drive, remote, grown } = await pair(t)
  const contents = new Contents()
  const first: Publication[] = [file('f', contents.list(randomBytes(2000), 100), 1), directory('d', 2), symlink('s', 't', 3), file('turned', contents.list(Buffer.from('x')), 4)]
  await drive.publish(first, contents.read)
  t.alike(await read(remote, null), [], 'nothing is known before a connection')
  attach(t, a.drives, b.drives, drive.key)
  await grown.until(() => remote.length === drive.length)
  const batches = await read(remote, null)
  t.alike(state(batches), new Map(first.map(({ path, entry }) => [path, entry])))
  const last = batches.at(-1) as RemoteBatch
  t.is(last.length, drive.length)

  await drive.publish([tombstone('turned', 5), gone('d')], contents.read)
  await grown.until(() => remote.length === drive.length)
  t.alike(state(await read(remote, last)), new Map<PathKey, Entry | null>([[path('turned'), tombstone('turned', 5).entry], [path('d'), null]]))
  t.alike(await read(remote, { length: drive.length, fork: 0 }), [])
  t.is(b.drives.remotes(FOLDER).list().length, 1)
  t.alike(await b.drives.head(drive.key), await a.drives.head(drive.key))
  t.alike(await b.drives.head(drive.key, 2), await a.drives.head(drive.key, 2))
  t.is(await b.drives.head(drive.key, 1_000_000), null)
})

test('a restart reads what was replicated before, with nobody connected', async (t) => {
  const folder = join(await t.tmp(), 'b')
  const a = await openDrives(t, 1)
  const drive = await own(a.drives)
  await drive.publish([directory('d', 1), tombstone('x', 2)], () => Promise.resolve(null))
  const b = await openDrives(t, 2, folder)
  const grown = growth()
  const remote = await openRemote(b.drives, drive.key, grown.onGrow)
  const [x] = attach(t, a.drives, b.drives, drive.key)
  await grown.until(async () => state(await read(remote, null)).size === 2)
  x.destroy()
  await b.drives.close()
  await b.store.close()
  const again = await openDrives(t, 2, folder)
  const reopened = await openRemote(again.drives, drive.key, () => undefined)
  t.is(reopened.length, drive.length)
  t.is(state(await read(reopened, null)).size, 2)
})

test('large drives come in batches, each path once in each, whole changes only', async (t) => {
  const { a, b, drive, remote, grown } = await pair(t)
  const none = () => Promise.resolve(null)
  const names = Array.from({ length: 1100 }, (_, i) => `n${i}`)
  await drive.publish(names.map((name, i) => directory(name, i + 1)), none)
  const contents = new Contents()
  const empty = contents.list(Buffer.alloc(0))
  await drive.publish(names.map((name, i) => file(name, empty, 4000 + i)), none)
  attach(t, a.drives, b.drives, drive.key)
  const batches: RemoteBatch[] = []
  await grown.until(async () => {
    batches.push(...(await read(remote, batches.at(-1) ?? null)))
    return batches.at(-1)?.length === drive.length
  })
  for (const batch of batches) {
    t.ok(batch.changes.length <= 2000)
    t.is(new Set(batch.changes.map((change) => change.path)).size, batch.changes.length)
    t.absent(batch.changes.some((change) => change.entry === null), 'no half of a change')
  }
  t.is([...state(batches).values()].filter((entry) => entry?.kind === 'file').length, 1100)
})

test('a drive whose blocks nobody offers is read as far as it is here, and no further', async (t) => {
  const { a, b, drive, remote, grown } = await pair(t)
  const none = () => Promise.resolve(null)
  await drive.publish([directory('first', 1)], none)
  const [x] = attach(t, a.drives, b.drives, drive.key)
  await grown.until(async () => state(await read(remote, null)).has(path('first')))
  const had = drive.length
  x.destroy()
  await drive.publish([directory('second', 2)], none)
  t.is(remote.length, had)
  t.alike([...state(await read(remote, null)).keys()], [path('first')])
  const aborted = new AbortController()
  aborted.abort()
  t.alike(await read(remote, null, aborted.signal), [])
  attach(t, a.drives, b.drives, drive.key)
  await grown.until(async () => state(await read(remote, { length: had, fork: 0 })).has(path('second')))
})

test('a third device passes on the drive of an absent one', async (t) => {
  const { a, b, drive, remote, grown } = await pair(t)
  await drive.publish([directory('d', 1), directory('e', 2)], () => Promise.resolve(null))
  const [x] = attach(t, a.drives, b.drives, drive.key)
  await grown.until(async () => state(await read(remote, null)).size === 2)
  x.destroy()
  await a.drives.close()
  const c = await openDrives(t, 3)
  const onward = growth()
  const third = await openRemote(c.drives, drive.key, onward.onGrow)
  attach(t, b.drives, c.drives, drive.key)
  await onward.until(async () => state(await read(third, null)).size === 2)
  t.is(third.length, remote.length)
})

test('a peer that knows of blocks but has none holds nobody up', async (t) => {
  const { a, drive } = await pair(t)
  await drive.publish([directory('d', 1)], () => Promise.resolve(null))
  const sparse = new Corestore(join(await t.tmp(), 'sparse'))
  t.teardown(() => sparse.close())
  const known = sparse.get({ key: Buffer.from(drive.key, 'hex') })
  await known.ready()
  const [x, y] = connect(t)
  a.drives.replicate(drive.key, x)
  known.replicate(y)
  await known.update({ wait: true })
  x.destroy()
  t.is(known.length, drive.length)

  const c = await openDrives(t, 3)
  const grown = growth()
  const remote = await openRemote(c.drives, drive.key, grown.onGrow)
  const [v, w] = connect(t)
  known.replicate(v)
  c.drives.replicate(drive.key, w)
  await grown.until(() => remote.length === drive.length)
  t.alike(await read(remote, null), [], 'given up after a moment')
  const abort = new AbortController()
  const reading = read(remote, null, abort.signal)
  abort.abort()
  t.alike(await reading, [])
  const closing = read(remote, null)
  await c.drives.close()
  t.alike(await closing, [])
})

test('a drive that forked is read again from its start', async (t) => {
  const { b } = await pair(t)
  const store = new Corestore(join(await t.tmp(), 'forking'))
  const forking = new Hyperdrive(store, { encryptionKey: FOLDER_KEY })
  await forking.ready()
  t.teardown(() => store.close())
  const put = async (name: string) => {
    const batch = forking.db.batch({ keyEncoding: 'binary', valueEncoding: 'binary' })
    await batch.put(Buffer.from(`p2psync\0/${name}`), Buffer.from(JSON.stringify({ v: 1, t: 'd', p: 0o755, w: { a1b2c3d4e5f6a7b8: 1 } })))
    await batch.flush()
  }
  for (const name of ['stays', 'lost', 'lost too']) await put(name)
  const grown = growth()
  const remote = await openRemote(b.drives, forking.key.toString('hex') as DriveKey, grown.onGrow)
  const [x, y] = connect(t)
  forking.core.replicate(x)
  b.drives.replicate(remote.key, y)
  await grown.until(async () => state(await read(remote, null)).size === 3)
  const checkpoint = { length: remote.length, fork: remote.fork }
  await forking.core.truncate(2)
  for (const name of ['other', 'more', 'still more']) await put(name)
  await grown.until(async () => remote.fork === 1 && (await read(remote, null)).at(-1)?.length === forking.core.length)
  const batches = await read(remote, checkpoint)
  t.alike([...state(batches).keys()], ['stays', 'other', 'more', 'still more'].map(path))
  t.ok(batches.every((batch) => batch.fork === 1))
})

test('names and entries that must not be are problems, all others come', async (t) => {
  const { b } = await pair(t)
  const store = new Corestore(join(await t.tmp(), 'hostile'))
  const hostile = new Hyperdrive(store, { encryptionKey: FOLDER_KEY })
  await hostile.ready()
  t.teardown(() => store.close())
  const put = async (key: string | Buffer, value: unknown) => {
    const batch = hostile.db.batch({ keyEncoding: 'binary', valueEncoding: 'binary' })
    await batch.put(Buffer.from(key), Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value)))
    await batch.flush()
  }
  const good = { v: 1, t: 'd', p: 0o755, w: { a1b2c3d4e5f6a7b8: 1 } }
  for (const name of ['/..', '/../x', '/a/../b', '/', 'x', '//a', '/a/', '/a\0b', '/.p2psync', '/.p2psync/marker', '/a\\b', '/a%5c', '/%2500', `/${'x'.repeat(300)}`, `/${'y/'.repeat(30_000)}z`]) {
    await put(`p2psync\0${name}`, good)
  }
  await put(Buffer.concat([Buffer.from('p2psync\0/'), Buffer.from([0xff, 0xfe])]), good)
  await put('p2psync\0/not-json', Buffer.from('{'))
  await put('p2psync\0/future', { ...good, v: 2 })
  await put('files\0/stock', { executable: false, linkname: null, blob: null, metadata: null })
  await put('else\0/where', good)
  await put('p2psync\0/good', good)
  await hostile.core.append(Buffer.from([0xff, 0xff, 0xff]))

  const grown = growth()
  const remote = await openRemote(b.drives, hostile.key.toString('hex') as DriveKey, grown.onGrow)
  const [x, y] = connect(t)
  hostile.core.replicate(x)
  b.drives.replicate(remote.key, y)
  await grown.until(async () => (await read(remote, null)).at(-1)?.length === hostile.core.length)
  const batches = await read(remote, null)
  t.alike([...state(batches).keys()].sort(), ['a%5c', 'good'].map((name) => path(name)))
  const codes = batches.flatMap((batch) => batch.invalid.map((problem) => problem.code))
  t.is(codes.filter((code) => code === 'invalid-name').length, 15)
  t.is(codes.filter((code) => code === 'invalid-entry').length, 4)
})

test('drives that are not open are not replicated', async (t) => {
  const a = await openDrives(t, 1)
  const [x] = connect(t)
  t.absent(a.drives.replicate('00'.repeat(32) as DriveKey, x))
  t.is(await a.drives.offer('00'.repeat(32) as DriveKey), null)
  t.is(await a.drives.head('00'.repeat(32) as DriveKey), null)
  const drive = await own(a.drives)
  await t.exception(openRemote(a.drives, drive.key, () => undefined), /our own/)
})

test('replication of a drive can be taken off a connection again', async (t) => {
  const { a, b, drive, remote, grown } = await pair(t)
  const none = () => Promise.resolve(null)
  await drive.publish([directory('d', 1)], none)
  const [x] = attach(t, a.drives, b.drives, drive.key)
  await grown.until(async () => state(await read(remote, null)).size === 1)
  a.drives.unreplicate(drive.key, x)
  t.is(drive.db.peers.length, 0)
})

test('closing while another device is connected is quick', async (t) => {
  const { a, b, drive, remote, grown } = await pair(t)
  await drive.publish([directory('d', 1)], () => Promise.resolve(null))
  attach(t, a.drives, b.drives, drive.key)
  await grown.until(() => remote.length > 0)
  const before = Date.now()
  await a.drives.close()
  await a.store.close()
  t.ok(Date.now() - before < 20_000)
  t.alike(await read(remote, { length: remote.length, fork: 0 }), [])
})

test('a path of a drive is one name and back', (t) => {
  for (const [name, key] of [
    ['a/b', '/a/b'],
    ['a\\b', '/a%5Cb'],
    ['100%', '/100%'],
    ['%5C', '/%255C'],
    ['%25', '/%2525'],
    ['%2\\', '/%2%5C'],
    ['%%5C', '/%%255C']
  ] as const) t.is(drivePath(name as PathKey), key)
})

test('a retired drive lets go of the connections that it is on, so that it can be deleted soon', async (t) => {
  const { a, b, drive, remote, grown } = await pair(t)
  await drive.publish([directory('d', 1)], new Contents().read)
  attach(t, a.drives, b.drives, drive.key)
  await grown.until(() => remote.length === drive.length)
  const { replicator } = drive.db.core
  t.is(replicator.peers.length, 1)
  await a.drives.closeDrive(drive.key)
  t.is(await a.drives.deleteDrive(drive.key), false, 'it is open still')
  t.is(replicator.peers.length, 0)
  t.ok(await b.drives.head(drive.key), 'who reads it keeps it')
})
