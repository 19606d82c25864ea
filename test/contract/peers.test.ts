/** The contract of peers, on the fake and on two real devices on 127.0.0.1. */
import { createHash } from 'node:crypto'
import type { Assert } from 'brittle'
import { FolderPeersAdapter } from '../../daemon/net/peers.ts'
import type { DriveRuns, FolderReport, FreshFile } from '../../daemon/ports.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import type { Replica } from '../fakes/drive.ts'
import { calmLife } from '../fakes/life.ts'
import { FakeNetwork, type Node } from '../fakes/network.ts'
import { FakePeers } from '../fakes/peers.ts'
import { Random } from '../fakes/random.ts'
import { openDevice, pair, type Device } from '../net/helpers.ts'
import { peersContract, type PeersBench, type PeersEnd } from './peers.ts'

const FOLDER = 'f'.repeat(64) as FolderId
const WAIT_MS = 60_000

/** Someone was told something: whoever waits looks again. */
class Notices {
  #wake: () => void = () => undefined

  readonly tell = (): void => this.#wake()

  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + WAIT_MS
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('it did not come to hold in time')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

async function fakeBench(t: Assert): Promise<PeersBench> {
  const clock = new FakeClock()
  const notices = new Notices()
  const network = new FakeNetwork({ clock, random: new Random(1), aheadChance: 1 })
  const [a, b] = [fakeEnd(network, clock, 'a', notices), fakeEnd(network, clock, 'b', notices)]
  network.cut(a.device, b.device)
  network.add(a)
  network.add(b)
  keepRunning(t, clock)
  return {
    a,
    b,
    connect: async () => network.mend(a.device, b.device),
    disconnect: async () => network.cut(a.device, b.device),
    until: (condition) => notices.until(condition)
  }
}

/** Virtual time goes on by itself while the test lasts. */
function keepRunning(t: Assert, clock: FakeClock): void {
  let stopped = false
  const pump = (): void => {
    if (!stopped) void clock.run(10).then(() => setImmediate(pump))
  }
  pump()
  t.teardown(() => {
    stopped = true
  })
}

function fakeEnd(network: FakeNetwork, clock: FakeClock, name: string, notices: Notices): PeersEnd & Node {
  const device = createHash('sha256').update(name).digest('hex') as DeviceId
  const peers = new FakePeers(network, device, calmLife(clock))
  const end = {
    device,
    peers,
    came: [] as FreshFile[],
    replicas: new Map<DriveKey, Replica>(),
    running: true,
    get report() {
      return peers.own
    },
    serve: async (_id: ObjectId): Promise<Buffer | null> => null,
    settle: async (): Promise<FolderReport> => Promise.reject(new Error('not expected')),
    answer: (id: ObjectId) => {
      const answer = end.serve(id)
      notices.tell()
      return answer
    },
    linked: (other: DeviceId) => {
      peers.linked(other)
      notices.tell()
    },
    unlinked: (other: DeviceId) => {
      peers.unlinked(other)
      notices.tell()
    },
    reported: (other: DeviceId, report: FolderReport) => {
      peers.reported(other, report)
      notices.tell()
    },
    replicated: () => undefined,
    cameAhead: (_from: DeviceId, files: readonly FreshFile[]) => void end.came.push(...files)
  }
  return end
}

async function realBench(t: Assert): Promise<PeersBench> {
  const notices = new Notices()
  const [left, a] = await realEnd(t, 'a', notices)
  const [right, b] = await realEnd(t, 'b', notices)
  return {
    a,
    b,
    connect: () => pair(left, right),
    disconnect: () => right.network.close(),
    until: (condition) => notices.until(condition)
  }
}

async function realEnd(t: Assert, name: string, notices: Notices): Promise<[Device, PeersEnd]> {
  const end = {
    came: [] as FreshFile[],
    serve: async (_id: ObjectId): Promise<Buffer | null> => null,
    settle: async (_signal: AbortSignal): Promise<FolderReport> => Promise.reject(new Error('not expected'))
  }
  const serve = (_device: DeviceId, _folder: FolderId, id: ObjectId): Promise<Buffer | null> => {
    const answer = end.serve(id)
    notices.tell()
    return answer
  }
  const device = await openDevice(t, { name, bootstrap: 'none', handlers: { serve, runs: anyDrive, takeFresh: (_from, _drive, files) => void end.came.push(...files) } })
  const peers = new FolderPeersAdapter({
    network: device.network,
    folder: FOLDER,
    onChange: notices.tell,
    settleHandler: (signal) => {
      const settled = end.settle(signal)
      notices.tell()
      return settled
    }
  })
  return [device, Object.assign(end, { device: device.group.self.id, peers })]
}

/** Whatever drive is asked for is ours, and long. */
const anyDrive: DriveRuns = {
  state: () => ({ length: 5, fork: 0, whole: true, signer: true, author: true }),
  read: async () => null,
  take: async () => 'moved',
  hold: () => undefined,
  watch: () => undefined
}

peersContract('fake', fakeBench)
peersContract('real', realBench)
