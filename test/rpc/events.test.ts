/** The ring of events, and the stream made of it: resume after an id, gaps that show, slow readers. */
import { request } from 'node:http'
import test from 'brittle'
import { createClient } from '../../rpc/client.ts'
import { EventRing } from '../../rpc/events.ts'
import type { DaemonEvent } from '../../rpc/schema.ts'
import { FOLDER_ID, startFake } from './fake-daemon.ts'

function problem(n: number): { type: 'problem'; folder: string; path: string; code: string; message: string } {
  return { type: 'problem', folder: FOLDER_ID, path: `${n}`, code: 'EIO', message: 'x' }
}

function label(event: DaemonEvent): string {
  return event.type === 'problem' ? event.path : event.type
}

/** The next `count` events. */
async function take(events: AsyncGenerator<DaemonEvent, void, void>, count: number): Promise<DaemonEvent[]> {
  const taken: DaemonEvent[] = []
  for (let i = 0; i < count; i++) {
    const next = await events.next()
    if (next.done === true) break
    taken.push(next.value)
  }
  return taken
}

test('a follower gets what is emitted after it began, in order, with rising ids', async (t) => {
  const ring = new EventRing({ capacity: 10, session: 's' })
  ring.emit(problem(0))
  const events = ring.follow(null, new AbortController().signal)
  ring.emit(problem(1))
  const first = await take(events, 1)
  const later = take(events, 2)
  ring.emit(problem(2))
  ring.emit(problem(3))
  const all = [...first, ...(await later)]
  t.alike(all.map(label), ['1', '2', '3'])
  t.alike(all.map((event) => event.id), ['s.2', 's.3', 's.4'])
})

test('after an id come exactly the events that followed it', async (t) => {
  const ring = new EventRing({ capacity: 10, session: 's' })
  for (let n = 1; n <= 5; n++) ring.emit(problem(n))
  t.alike((await take(ring.follow('s.3', new AbortController().signal), 2)).map(label), ['4', '5'])
})

test('what the ring has lost shows as one gap, from which it goes on', async (t) => {
  const ring = new EventRing({ capacity: 3, session: 's' })
  for (let n = 1; n <= 6; n++) ring.emit(problem(n))
  const seen = await take(ring.follow('s.1', new AbortController().signal), 4)
  t.alike(seen.map(label), ['gap', '4', '5', '6'])
  const gap = seen[0]
  t.alike((await take(ring.follow(gap?.id ?? '', new AbortController().signal), 3)).map(label), ['4', '5', '6'], 'the id of a gap can be resumed from')
})

test('nothing lost at the edge of the ring: no gap', async (t) => {
  const ring = new EventRing({ capacity: 3, session: 's' })
  for (let n = 1; n <= 6; n++) ring.emit(problem(n))
  t.alike((await take(ring.follow('s.3', new AbortController().signal), 3)).map(label), ['4', '5', '6'])
})

for (const id of ['other.3', 's.99', 's.-1', 's.x', 'nonsense', '']) {
  test(`an id that is not of this session is a gap: ${JSON.stringify(id)}`, async (t) => {
    const ring = new EventRing({ capacity: 3, session: 's' })
    ring.emit(problem(1))
    t.alike((await take(ring.follow(id, new AbortController().signal), 2)).map(label), ['gap', '1'])
  })
}

test('a slow follower meets a gap and keeps nothing waiting', async (t) => {
  const ring = new EventRing({ capacity: 3, session: 's' })
  const events = ring.follow(null, new AbortController().signal)
  for (let n = 1; n <= 100; n++) ring.emit(problem(n))
  t.alike((await take(events, 4)).map(label), ['gap', '98', '99', '100'])
})

test('an abort ends a follower that waits', async (t) => {
  const stop = new AbortController()
  const next = new EventRing().follow(null, stop.signal).next()
  stop.abort()
  t.is((await next).done, true)
})

test('over HTTP: events with ids, resumed with Last-Event-ID, gap visible', async (t) => {
  const { socket, events } = await startFake(t)
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const first = await openStream(socket, stop.signal)
  events.emit(problem(1))
  events.emit({ type: 'group' })
  const got = [await first.next(), await first.next()]
  t.alike(got.map((event) => event.event), ['problem', 'group'])
  t.is((JSON.parse(got[0]?.data ?? '') as DaemonEvent).id, got[0]?.id)
  for (let n = 2; n <= 4; n++) events.emit(problem(n))
  const second = await openStream(socket, stop.signal, got[1]?.id)
  t.alike([await second.next(), await second.next(), await second.next()].map((event) => event.event), ['problem', 'problem', 'problem'])
  for (let n = 5; n <= 20; n++) events.emit(problem(n))
  const third = await openStream(socket, stop.signal, got[0]?.id)
  t.is((await third.next()).event, 'gap')
})

test('the typed client follows, resumes and stops', async (t) => {
  const { socket, events } = await startFake(t)
  events.emit(problem(1))
  events.emit(problem(2))
  const stop = new AbortController()
  const following = createClient(socket).events({ after: 'old.1', signal: stop.signal })
  const seen = await take(following, 3)
  t.alike(seen.map(label), ['gap', '1', '2'])
  const next = following.next()
  stop.abort()
  t.is((await next).done, true)
})

interface SentEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

/** Resolves when the server has answered, so that nothing emitted afterwards is missed. */
function openStream(socketPath: string, signal: AbortSignal, lastEventId?: string): Promise<{ next(): Promise<SentEvent> }> {
  return new Promise((resolve, reject) => {
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    const outgoing = request({ socketPath, path: '/v1/events', headers, agent: false, signal })
    outgoing.on('error', (error) => (signal.aborted ? undefined : reject(error)))
    outgoing.on('response', (response) => {
      response.on('error', () => undefined)
      const events = blocks(response.setEncoding('utf8'))
      resolve({ next: async () => ((await events.next()).value ?? { id: '', event: 'ended', data: '' }) as SentEvent })
    })
    outgoing.end()
  })
}

async function* blocks(stream: AsyncIterable<unknown>): AsyncGenerator<SentEvent, void, void> {
  let text = ''
  for await (const part of stream) {
    const parts = (text + String(part)).split('\n\n')
    text = parts.pop() ?? ''
    for (const block of parts) {
      const fields = Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
      if (fields['data'] !== undefined) yield { id: fields['id'] ?? '', event: fields['event'] ?? '', data: fields['data'] }
    }
  }
}
