/** Whom runs are asked for where several devices hold a log, and when Hypercore's own replication is let go. */
import test from 'brittle'
import { Runs } from '../../daemon/net/runs.ts'
import type { PeerLink } from '../../daemon/net/link.ts'
import type { BlockRun, DriveRuns, LogState, RunRequest } from '../../daemon/ports.ts'
import type { DriveKey } from '../../daemon/sync/ids.ts'
import { LateError } from '../../daemon/net/run-lane.ts'
import { drain } from '../fakes/clock.ts'
import { testLog } from './helpers.ts'

const DRIVE = 'd'.repeat(64) as DriveKey
const LENGTH = 100
const PART = 40

/** Another's log here, and whether Hypercore's own replication is held back at each moment. */
class Logs implements DriveRuns {
  length = 0
  readonly held: boolean[] = []
  #grew: (drive: DriveKey) => void = () => undefined

  state(): LogState {
    return { length: this.length, fork: 0, whole: true, signer: true, author: false }
  }

  async read(): Promise<null> {
    return null
  }

  async take(_drive: DriveKey, run: BlockRun): Promise<'taken'> {
    this.length = run.start + run.blocks.length
    this.#grew(DRIVE)
    return 'taken'
  }

  hold(_drive: DriveKey, held: boolean): void {
    this.held.push(held)
  }

  watch(listener: (drive: DriveKey) => void): void {
    this.#grew = listener
  }
}

/** `gives`: up to so much; 0: it has no run at all; late: it says that it has one, and sends nothing. */
function link(gives: number | 'late', device = 'e'.repeat(64)): { readonly link: PeerLink; asked: number } {
  const told = { asked: 0 }
  const fake = {
    closed: false,
    device,
    attached: new Set([DRIVE]),
    offerRun: () => undefined,
    pushRun: () => undefined,
    askRun: async (_drive: DriveKey, { fork, start }: RunRequest): Promise<BlockRun | null> => {
      told.asked++
      if (gives === 'late') throw new LateError('nothing comes')
      const end = Math.min(gives, start + PART)
      return end <= start ? null : { fork, start, blocks: Array.from({ length: end - start }, () => Buffer.from('x')), signature: Buffer.alloc(64), signer: null }
    }
  }
  // SAFETY: all of it that runs see.
  return Object.assign(told, { link: fake as unknown as PeerLink })
}

async function meet(drives: Logs, devices: readonly { readonly link: PeerLink }[]): Promise<void> {
  const runs = new Runs(drives, null, new Set(devices.map((device) => device.link)), testLog)
  for (const device of devices) runs.opened(device.link)
  // Before, the second might have been an older device.
  drives.held.length = 0
  for (const device of devices) runs.onOffer(device.link, { drive: DRIVE, fork: 0, length: LENGTH })
  await drain()
}

test('runs: a device that cannot give what it holds is not needed where another one gives it', async (t) => {
  const drives = new Logs()
  const [author, relay] = [link(LENGTH), link(0)]
  await meet(drives, [author, relay])
  t.is(relay.asked, 1, 'the newest connection is asked first, and once')
  t.is(drives.length, LENGTH)
  t.absent(drives.held.includes(false), 'no block has to come by itself')
})

test('runs: where nobody gives a run blocks come one by one', async (t) => {
  const drives = new Logs()
  await meet(drives, [link(0), link(0)])
  t.is(drives.length, 0)
  t.is(drives.held.at(-1), false)
})

test('runs: what only a device without runs has more of comes one by one', async (t) => {
  const drives = new Logs()
  const [all, some] = [link(0), link(LENGTH / 2)]
  const runs = new Runs(drives, null, new Set([all.link, some.link]), testLog)
  for (const device of [all, some]) runs.opened(device.link)
  runs.onOffer(some.link, { drive: DRIVE, fork: 0, length: LENGTH / 2 })
  runs.onOffer(all.link, { drive: DRIVE, fork: 0, length: LENGTH })
  await drain()
  t.is(drives.held.at(-1), false)
  t.is(drives.length, LENGTH / 2)
})

test('runs: a device that was late with what it offered is not asked for that again on its next connection', async (t) => {
  const drives = new Logs()
  const links = new Set<PeerLink>()
  const runs = new Runs(drives, null, links, testLog)
  const meets = async (device: { readonly link: PeerLink }, length: number): Promise<void> => {
    links.add(device.link)
    runs.opened(device.link)
    runs.onOffer(device.link, { drive: DRIVE, fork: 0, length })
    await drain()
  }
  const [first, again] = [link('late', 'f'.repeat(64)), link('late', 'f'.repeat(64))]
  await meets(first, 2 ** 40)
  t.is(first.asked, 1)
  links.delete(first.link)
  runs.closed(first.link)
  await meets(again, 2 ** 40 - 1)
  t.is(again.asked, 0, 'it would hold the drive for two minutes more')
  t.is(drives.held.at(-1), false, 'its blocks may come one by one')
  await meets(link(LENGTH), LENGTH)
  t.is(drives.length, LENGTH, 'others are asked')
  drives.length = 2 ** 40
  runs.onOffer(again.link, { drive: DRIVE, fork: 0, length: 2 ** 40 + 1 })
  await drain()
  t.is(again.asked, 1, 'when that is here it may be asked for more')
})
