/** The cycle when a step of it fails: nothing is forgotten, and nothing spins. */
import test from 'brittle'
import { createHash } from 'node:crypto'
import { Folder } from '../../daemon/folder.ts'
import type { Finding, KnownTree, ScanRequest } from '../../daemon/ports.ts'
import type { IgnoreText } from '../../daemon/sync/ignore.ts'
import type { DeviceId, FolderId, PathKey } from '../../daemon/sync/ids.ts'
import { drain, FakeClock } from '../fakes/clock.ts'
import { DiskStore } from '../fakes/disk-store.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { DriveLog, FakeOwnDrive, FakeRemoteDrives } from '../fakes/drive.ts'
import { IndexStore } from '../fakes/index-store.ts'
import { FakeIndex } from '../fakes/index.ts'
import { Life } from '../fakes/life.ts'
import { FakeLog } from '../fakes/log.ts'
import { FakeNetwork } from '../fakes/network.ts'
import { FakePeers } from '../fakes/peers.ts'
import { Random } from '../fakes/random.ts'
import { FakeUser } from '../fakes/user.ts'
import { FakeWatcher } from '../fakes/watcher.ts'

/** Cannot read the ignore file for a while. */
class FaultyDisk extends FakeDisk {
  failures = 0
  faulty = true

  override async readIgnoreFiles(): Promise<readonly IgnoreText[]> {
    if (!this.faulty) return await super.readIgnoreFiles()
    this.failures++
    throw new Error('cannot read')
  }
}

/** Has no end. */
class EndlessDisk extends FaultyDisk {
  override faulty = false

  override async *scan(_request: ScanRequest, _known: KnownTree, signal: AbortSignal): AsyncGenerator<readonly Finding[]> {
    while (!signal.aborted) await drain()
    yield []
  }
}

function alone(Disk: typeof FaultyDisk = FaultyDisk) {
  const clock = new FakeClock()
  const life = new Life({ clock })
  const device = createHash('sha256').update('device').digest('hex') as DeviceId
  const store = new DiskStore(() => clock.now())
  const disk = new Disk(store, life)
  const index = new FakeIndex(new IndexStore(), life)
  const network = new FakeNetwork({ clock, random: new Random('cycle'), maxDelayMs: 5 })
  const watcher: FakeWatcher = new FakeWatcher(life, () => folder, { delay: () => 1 })
  const folder: Folder = new Folder({
    id: createHash('sha256').update('folder').digest('hex') as FolderId,
    disk,
    watcher,
    index,
    own: new FakeOwnDrive(new DriveLog(device), life),
    remotes: new FakeRemoteDrives([]),
    peers: new FakePeers(network, device, life),
    clock: life.clock,
    log: new FakeLog(() => undefined)
  })
  return { clock, disk, index, folder, user: new FakeUser(store.tree, () => undefined) }
}

test('a cycle that fails again and again is tried every few seconds', async (t) => {
  const { clock, disk, folder } = alone()
  await folder.open()
  await clock.run(4_000)
  t.is(disk.failures, 1)
  await clock.run(4_000)
  t.is(disk.failures, 2)
  t.is(folder.status().problems[0]?.code, 'cycle-failed')
})

test('who asks for a scan is told why it does not come to an end', async (t) => {
  const { clock, folder } = alone()
  await folder.open()
  const asked = folder.scan(false, new AbortController().signal).then(() => 'done', (error: unknown) => (error as Error).message)
  await clock.run(12_000)
  t.is(await Promise.race([asked, drain().then(() => 'waits')]), 'the folder does not come to rest: a step failed and is tried again: cannot read')
  await folder.close()
})

test('rules that could not be read are read again before anything is published', async (t) => {
  const { clock, disk, index, folder, user } = alone()
  user.write('.p2psyncignore', 'secret\n')
  user.write('secret', 'mine')
  user.write('other', 'for all')
  await folder.open()
  await clock.run(1_000)
  disk.faulty = false
  await clock.run(10_000)
  t.alike([await index.row('secret' as PathKey), folder.activity], [null, 'idle'])
  t.ok(await index.row('other' as PathKey))
  t.alike(folder.status().problems, [])
})

test('R29: a pause does not wait for the end of a scan', async (t) => {
  const { clock, folder } = alone(EndlessDisk)
  await folder.open()
  await clock.run(10_000)
  t.is(folder.activity, 'scanning')
  await folder.pause()
  t.is(folder.activity, 'paused')
  folder.resume()
  await clock.run(100)
  t.is(folder.activity, 'scanning')
  await folder.close()
})
