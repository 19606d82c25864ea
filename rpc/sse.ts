/** An event source as server-sent events (WHATWG HTML, 9.2). The stream pulls, so a slow reader makes nothing grow. */
import type { EventSource } from './events.ts'

/** A comment this often shows both ends that the other is alive. */
export const SSE_HEARTBEAT_MS = 15_000

export function eventStream(source: EventSource, lastEventId: string | null, outer: AbortSignal): Response {
  const stop = new AbortController()
  const signal = AbortSignal.any([outer, stop.signal])
  const events = source.follow(lastEventId, signal)
  const encoder = new TextEncoder()
  let heartbeat: NodeJS.Timeout | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      // The first bytes tell the client that nothing emitted from here on is missed.
      controller.enqueue(encoder.encode('retry: 1000\n: connected\n\n'))
      heartbeat = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': alive\n\n'))
      }, SSE_HEARTBEAT_MS)
    },
    async pull(controller) {
      const next = await events.next()
      if (next.done === true) {
        clearInterval(heartbeat)
        controller.close()
        return
      }
      const event = next.value
      controller.enqueue(encoder.encode(`id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`))
    },
    cancel() {
      clearInterval(heartbeat)
      stop.abort()
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } })
}
