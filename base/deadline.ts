/**
 * Work with an end. In place of `AbortSignal.any([signal, AbortSignal.timeout(ms)])`: nothing holds that timeout, so that Node may
 * collect it as garbage, and what waits for it waits for ever.
 */

/** `limit` aborts with `signal`, or after `ms`; nothing of it outlives `run`. */
export async function withDeadline<T>(signal: AbortSignal, ms: number, run: (limit: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const abort = (): void => controller.abort(signal.reason)
  const timer = setTimeout(() => controller.abort(new DOMException('The time is over', 'TimeoutError')), ms)
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  try {
    return await run(controller.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}
