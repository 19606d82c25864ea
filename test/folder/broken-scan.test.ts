/** A scan that is broken off because the root is not there for a moment is made up for at once, not an hour later. */
import test, { type Assert } from 'brittle'
import { P2psyncError } from '../../base/errors.ts'
import type { RootState } from '../../daemon/ports.ts'
import { FakeDisk } from '../fakes/disk.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const GONE: RootState = { kind: 'halted', code: 'root-missing', message: 'it is not there' }

/** The next scan of hinted paths goes on by way of `act`. */
function onNextHint(t: Assert, act: (go: () => ReturnType<FakeDisk['scan']>) => ReturnType<FakeDisk['scan']>): void {
  const { scan } = FakeDisk.prototype
  let isDue = true
  t.teardown(() => void (FakeDisk.prototype.scan = scan))
  FakeDisk.prototype.scan = function (this: FakeDisk, ...values: Parameters<typeof scan>) {
    const go = (): ReturnType<typeof scan> => scan.apply(this, values)
    if (values[0].paths === 'all' || !isDue) return go()
    isDue = false
    return act(go)
  }
}

test('an edit is found though the root was not there while it was looked at, and is back before anybody asks', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
  // oxlint-disable-next-line require-yield
  onNextHint(t, async function* () {
    throw new P2psyncError('FOLDER_HALTED', 'the root is not there')
  })
  a.user.write('f', 'text')
  await world.rest()
  t.alike(b.files(), ['f'])
  t.ok(a.folder.inSyncWith(b.device))
  t.is(a.folder.reason, null)
})

test('a deletion is found though the root was not there when it was to be told, and is back before anybody asks', async (t) => {
  const world = await FolderWorld.open({}, {})
  const [a, b] = world.devices as unknown as [FolderDevice, FolderDevice]
  a.user.write('f', 'text')
  await world.rest()
  t.alike(b.files(), ['f'])
  const { inspect } = FakeDisk.prototype
  t.teardown(() => void (FakeDisk.prototype.inspect = inspect))
  onNextHint(t, async function* (go) {
    for await (const findings of go()) {
      FakeDisk.prototype.inspect = async function (this: FakeDisk) {
        FakeDisk.prototype.inspect = inspect
        return GONE
      }
      yield findings
    }
  })
  a.user.unlink('f')
  await world.rest()
  t.alike(b.files(), [])
  t.ok(a.folder.inSyncWith(b.device))
})
