/** The contract of drives, on the fakes and on real ones that replicate over a Noise stream in this process. */
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import NoiseSecretStream from '@hyperswarm/secret-stream'
import type { Assert } from 'brittle'
import { Drives } from '../../daemon/drive/drives.ts'
import { Store } from '../../daemon/drive/store.ts'
import type { DeviceId, FolderId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { DriveLog, FakeOwnDrive, FakeRemoteDrive } from '../fakes/drive.ts'
import { calmLife } from '../fakes/life.ts'
import { drivesContract, type DrivesBench } from './drives.ts'

const FOLDER = 'f0'.repeat(32) as FolderId
const WRITING = 'e0'.repeat(32) as DeviceId
const FOLDER_KEY = Buffer.alloc(32, 7)

async function fakeBench(_t: Assert): Promise<DrivesBench> {
  const [log, life] = [new DriveLog(WRITING), calmLife(new FakeClock())]
  const replica = { log, length: 0 }
  const open = () => ({ own: new FakeOwnDrive(log, life), remote: new FakeRemoteDrive(replica, life) })
  const bench: DrivesBench = {
    ...open(),
    caughtUp: async () => void (replica.length = log.length),
    reopen: async () => void Object.assign(bench, open())
  }
  return bench
}

interface Side {
  readonly store: Store
  readonly drives: Drives
}

async function realBench(t: Assert): Promise<DrivesBench> {
  const paths = [join(await t.tmp(), 'a'), join(await t.tmp(), 'b')] as const
  let sides: Side[] = []
  let wake: () => void = () => undefined
  const open = async () => {
    sides = [await openSide(paths[0], 1), await openSide(paths[1], 2)]
    const [writing, reading] = sides as [Side, Side]
    const own = await writing.drives.openOwn({ folder: FOLDER, device: WRITING, folderKey: FOLDER_KEY, generation: 1 })
    const remote = await reading.drives.openRemote({ folder: FOLDER, folderKey: FOLDER_KEY, device: WRITING, driveKey: own.key, generation: 1, onGrow: () => wake() })
    connect(t, own.key, writing.drives, reading.drives)
    return { own, remote }
  }
  const close = async () => {
    for (const { store, drives } of sides) {
      await drives.close()
      await store.close()
    }
  }
  const bench: DrivesBench = {
    ...(await open()),
    caughtUp: async () => {
      for (;;) {
        const grown = new Promise<void>((resolve) => (wake = resolve))
        if (await isHere(bench)) return
        await grown
      }
    },
    reopen: async () => {
      await close()
      Object.assign(bench, await open())
    }
  }
  t.teardown(close, { order: 1 })
  return bench
}

async function openSide(path: string, seed: number): Promise<Side> {
  const store = new Store({ path, primaryKey: Buffer.alloc(32, seed) })
  await store.open()
  const drives = new Drives(store)
  await drives.open()
  return { store, drives }
}

/** Not only known of: its blocks can be read to the end. */
async function isHere({ own, remote }: DrivesBench): Promise<boolean> {
  if (remote.length !== own.length) return false
  let length = 0
  for await (const batch of remote.changes(null, new AbortController().signal)) length = batch.length
  return length === own.length
}

function connect(t: Assert, key: Parameters<Drives['replicate']>[0], writing: Drives, reading: Drives): void {
  const [a, b] = [new NoiseSecretStream(true), new NoiseSecretStream(false)]
  for (const stream of [a, b]) stream.on('error', () => undefined)
  const [left, right] = [a.rawStream, b.rawStream] as unknown as [Duplex, Duplex]
  left.pipe(right).pipe(left)
  writing.replicate(key, a)
  reading.replicate(key, b)
  t.teardown(() => {
    a.destroy()
    b.destroy()
  })
}

drivesContract('fake', fakeBench)
drivesContract('real', realBench)
