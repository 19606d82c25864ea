/** What nobody can give is not asked for at each word of another device. Devices: `b?` has not said what it does, `b!` is paused. */
import test from 'brittle'
import { ASK_GATHER_LAST_MS, ASK_GATHER_MS, FEW_UNAVAILABLE } from '../../base/limits.ts'
import { AskAgain } from '../../daemon/folder/ask-again.ts'
import { Notices } from '../../daemon/folder/notices.ts'
import type { FolderPeer } from '../../daemon/ports.ts'
import type { DeviceId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'

function scene(refused: number): { readonly clock: FakeClock; readonly hear: (...devices: string[]) => void; readonly asked: () => number } {
  const clock = new FakeClock()
  const again = new AskAgain(new Notices(clock, new AbortController().signal))
  let asked = 0
  const fetcher = { refused, peersChanged: () => void asked++ }
  const hear = (...devices: string[]): void => again.heard({ connected: () => devices.map((device) => ({ device: device.replace(/\W/, '') as DeviceId, report: device.endsWith('?') ? null : { state: device.endsWith('!') ? 'paused' : 'idle' } }) as FolderPeer) }, fetcher)
  return { clock, hear, asked: () => asked }
}

test('a few are asked for at each word', (t) => {
  const { hear, asked } = scene(FEW_UNAVAILABLE)
  for (let i = 0; i < 5; i++) hear('b')
  t.is(asked(), 5)
})

test('many are asked for when a device comes, and else once for many words', async (t) => {
  const refused = FEW_UNAVAILABLE * 2
  const { clock, hear, asked } = scene(refused)
  // Connected, and then it says what it does; or it was paused.
  hear('b?')
  hear('b!')
  t.is(asked(), 0)
  hear('b')
  t.is(asked(), 1)
  for (let i = 0; i < 50; i++) hear('b')
  t.is(asked(), 1)
  await clock.run(refused * ASK_GATHER_MS)
  t.is(asked(), 2)
  hear('b', 'c')
  t.is(asked(), 3, 'at once')
  hear('b')
  hear('b', 'c')
  t.is(asked(), 4, 'one that is back')
})

test('however many they are, they are asked for within a minute', async (t) => {
  const { clock, hear, asked } = scene(1_000_000)
  hear('b')
  hear('b')
  await clock.run(ASK_GATHER_LAST_MS)
  t.is(asked(), 2)
})
