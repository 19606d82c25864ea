/** A member whose history holds times that are none, or has no end. */
import test from 'brittle'
import c from 'compact-encoding'
import { HistoryAnswers, HistoryQuestions } from '../../daemon/net/history.ts'
import { HISTORY_IDLE_MS, HISTORY_TOTAL_MS, MAX_VERSIONS, MAX_VERSIONS_BYTES } from '../../daemon/net/limits.ts'
import { PartialError } from '../../base/errors.ts'
import * as wire from '../../daemon/net/protocol.ts'
import type { Versions } from '../../daemon/net/protocol.ts'
import type { KeptVersion } from '../../daemon/ports.ts'
import type { ContentId, FolderId, PathKey } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { NEVER } from './helpers.ts'

test('a time of a version that is beyond what can be shown is refused where it arrives', (t) => {
  const content = { kind: 'file' as const, mtime: '0', mode: 0o600, size: 1, cid: 'a'.repeat(43) as ContentId }
  const bytes = c.encode(wire.versions, { id: 1, more: false, versions: [{ path: 'file' as PathKey, content, writer: null, at: 2 ** 53 - 1, reason: 'deleted' }] })
  let shown = 'refused'
  try {
    const [version] = c.decode(wire.versions, bytes).versions
    shown = new Date(version?.at ?? 0).toISOString()
  } catch (error) {
    if (error instanceof RangeError) shown = String(error)
  }
  t.is(shown, 'refused')
})

interface Asked {
  readonly clock: FakeClock
  readonly questions: HistoryQuestions
  outcome: 'open' | readonly KeptVersion[] | string
  /** How many came of one that has no end. */
  part: number | null
}

const VERSION: KeptVersion = { path: 'file' as PathKey, content: { kind: 'file', mtime: '0', mode: 0o600, size: 1, cid: 'a'.repeat(43) as ContentId }, writer: null, at: 1, reason: 'deleted' }

function asked(): Asked {
  const clock = new FakeClock()
  const questions = new HistoryQuestions(() => true, clock)
  const state: Asked = { clock, questions, outcome: 'open', part: null }
  questions.ask('f'.repeat(64) as FolderId, { path: null, after: 0 }, NEVER).then(
    (versions) => (state.outcome = versions),
    (error: unknown) => {
      state.outcome = (error as Error).message
      state.part = error instanceof PartialError ? (error.part as readonly KeptVersion[]).length : null
    }
  )
  return state
}

test('an answer about history that is too long is none', async (t) => {
  const state = asked()
  const { clock, questions } = state
  let sent = 0
  for (; sent < 200 && state.outcome === 'open'; sent++) {
    questions.onVersions({ id: 1, more: true, versions: [VERSION] }, 1024 * 1024)
    await clock.run(0)
  }
  t.is((sent - 1) * 1024 * 1024, MAX_VERSIONS_BYTES)
  t.is(state.outcome, 'the device has more versions than can be listed', 'a part of it would look like all')
  t.is(state.part, sent - 1, 'which can be had all the same')
  t.is(clock.nextAt, null, 'and nothing waits any more')
  questions.onVersions({ id: 1, more: false, versions: [VERSION] }, 100)
})

test('a device with more versions than can be listed does not tell a part of them as all', async (t) => {
  for (const [count, outcome] of [[MAX_VERSIONS - 1, MAX_VERSIONS - 1], [MAX_VERSIONS + 10, 'the device has more versions than can be listed']] as const) {
    const state = asked()
    const { clock, questions } = state
    let end = (): void => undefined
    const told = new Promise<void>((resolve) => (end = resolve))
    const send = (message: Versions): boolean => {
      questions.onVersions(message, 100)
      if (!message.more) end()
      return true
    }
    const history = async (): Promise<readonly KeptVersion[]> => Array.from({ length: count }, () => VERSION)
    new HistoryAnswers(send, async () => undefined, { history, onFault: (error) => t.fail(String(error)) }).onRequest({ id: 1, folder: 'f'.repeat(64) as FolderId, query: { path: null, after: 0 } })
    await told
    await clock.run(0)
    t.is(typeof state.outcome === 'string' ? state.outcome : state.outcome.length, outcome)
    t.is(state.part, typeof outcome === 'string' ? MAX_VERSIONS : null)
  }
})

test('an answer about history that does not come to its end is given up', async (t) => {
  const state = asked()
  let ms = 0
  for (; ms < 2 * HISTORY_TOTAL_MS && state.outcome === 'open'; ms += HISTORY_IDLE_MS - 1) {
    state.questions.onVersions({ id: 1, more: true, versions: [VERSION] }, 100)
    await state.clock.run(HISTORY_IDLE_MS - 1)
  }
  t.is(state.outcome, 'the device does not come to the end of its history')
  t.ok(ms < HISTORY_TOTAL_MS + HISTORY_IDLE_MS)
  t.is(state.clock.nextAt, null)
})
