/** What a user is told for a while after a restored backup. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { NOTICE_MS } from '../../base/limits.ts'
import { silentLog } from '../../base/log.ts'
import type { FolderId } from '../../daemon/sync/ids.ts'
import { TravelNotices } from '../../daemon/travel-notices.ts'

const A = 'aa'.repeat(32) as FolderId
const B = 'bb'.repeat(32) as FolderId
const NOW = Date.UTC(2026, 10, 25)

test('a restored state is told of its folder, over a restart, for a week', async (t) => {
  const file = join(await t.tmp(), 'notices.json')
  let now = NOW
  const open = (): TravelNotices => new TravelNotices(file, silentLog, () => now)
  const notices = open()
  notices.rotated(A, 'rolled-back')
  notices.rotated(A, 'fork-longer')
  notices.rotated(A, 'rolled-back')
  t.alike(notices.of(A).map(({ code }) => code), ['history-forked', 'state-restored'], 'each once, the newest last')
  t.alike(notices.of(B), [])
  t.is(notices.of(A)[1]?.at, new Date(NOW).toISOString())
  t.alike(open().of(A), notices.of(A))
  now = NOW + NOTICE_MS - 1
  t.is(open().of(A).length, 2)
  now = NOW + NOTICE_MS
  t.is(open().of(A).length, 0)
  now = NOW - NOTICE_MS
  t.is(open().of(A).length, 0, 'nor for ever with a clock that was set back')
})

test('a first drive and a new key are no news, and nothing is written for them', async (t) => {
  const file = join(await t.tmp(), 'notices.json')
  const notices = new TravelNotices(file, silentLog)
  for (const reason of ['first', 'new-key', 'compaction']) notices.rotated(A, reason)
  t.alike(notices.of(A), [])
  t.exception(() => readFileSync(file), /ENOENT/)
})

test('a file that is damaged is none', async (t) => {
  const file = join(await t.tmp(), 'notices.json')
  writeFileSync(file, '{"version":1,"notices":[{"folder":"x"}]}')
  const notices = new TravelNotices(file, silentLog)
  t.alike(notices.of(A), [])
  notices.rotated(A, 'restored')
  t.is(new TravelNotices(file, silentLog).of(A)[0]?.code, 'files-restored')
})
