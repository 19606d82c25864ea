/** What the other devices are told of a folder, and when. */
import test from 'brittle'
import { Notices } from '../../daemon/folder/notices.ts'
import { Reporter } from '../../daemon/folder/reporter.ts'
import type { FolderReport } from '../../daemon/ports.ts'
import type { DriveKey } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'

const IDLE: FolderReport = { state: 'idle', dirty: false, drive: 'ab'.repeat(32) as DriveKey, length: 7, blocked: [] }

function bench(): { readonly sent: string[]; readonly clock: FakeClock; now(report: Partial<FolderReport>): void } {
  const clock = new FakeClock()
  const sent: string[] = []
  let report = IDLE
  const peers = { report: ({ state, dirty, length }: FolderReport) => void sent.push(`${state}${dirty ? ' dirty' : ''} ${length}`) }
  const reporter = new Reporter(peers, new Notices(clock, new AbortController().signal), () => report)
  reporter.tell()
  sent.length = 0
  return { sent, clock, now: (change) => void ((report = { ...IDLE, ...change }), reporter.tell()) }
}

test('a change that is looked at and stated within a moment is told once it is stated', async (t) => {
  const { sent, clock, now } = bench()
  now({ state: 'scanning', dirty: true })
  await clock.run(5)
  t.alike(sent, [])
  now({ state: 'syncing', length: 8 })
  t.alike(sent, ['syncing 8'], 'what it came to is told at once')
  await clock.run(60)
  t.alike(sent, ['syncing 8'], 'that it was dirty is of the past')
})

test('what turns out to be no change is told to nobody', async (t) => {
  const { sent, clock, now } = bench()
  now({ state: 'scanning', dirty: true })
  await clock.run(5)
  now({})
  await clock.run(1_000)
  t.alike(sent, [])
})

test('that something is still to be looked at is told if it goes on', async (t) => {
  const { sent, clock, now } = bench()
  now({ state: 'scanning', dirty: true })
  await clock.run(25)
  t.alike(sent, ['scanning dirty 7'])
  now({ state: 'paused', dirty: true })
  t.alike(sent.slice(1), ['paused dirty 7'], 'what somebody has to know goes at once')
})
