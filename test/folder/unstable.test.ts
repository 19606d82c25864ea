/** What changed while it was read is looked at again, whatever else is waited for. */
import test from 'brittle'
import type { Finding } from '../../daemon/ports.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

test('a file that changed while it was read is looked at again, also while another one is waited for', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
  const doubtful = new Set(['p', 'q'])
  const { scan } = FakeDisk.prototype
  t.teardown(() => void (FakeDisk.prototype.scan = scan))
  FakeDisk.prototype.scan = async function* (this: FakeDisk, ...values: Parameters<typeof scan>) {
    for await (const findings of scan.apply(this, values)) yield findings.map((finding): Finding => (finding.kind === 'present' && doubtful.delete(finding.path) ? { kind: 'unstable', path: finding.path } : finding))
  }
  a.user.write('p', 'p')
  await world.rest(200)
  t.absent(a.folder.inSyncWith(b.device), 'in sync is not said before what was written is known (R37)')
  a.user.write('q', 'q')
  await world.rest()
  t.is(doubtful.size, 0)
  t.alike(b.files().sort(), ['p', 'q'])
  t.ok(a.folder.inSyncWith(b.device))
})
