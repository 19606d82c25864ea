/**
 * Keeps the DHT library from waking the machine when nothing goes on. As it comes it drains its window of requests 80 times a
 * minute, also an empty one, and asks the nodes that announce this device every three seconds whether they are still there.
 *
 * Leans on internals of hyperdht 6.32.0 and dht-rpc, which are pinned; where one is missing nothing is changed.
 */
import type { DhtIo, DhtServer } from 'hyperdht'
import { ANNOUNCE_CHECK_FACTOR, DRAIN_IDLE_MS, DRAIN_MS, FEW_REQUESTS } from './limits.ts'

/** Call after `bind`. Requests come as fast as before: the quick rhythm is back as soon as there are more than a few. */
export function calmRequests(io: DhtIo): void {
  const { congestion } = io
  if (io._drainInterval === null || congestion === undefined || typeof io._drain !== 'function') return
  clearInterval(io._drainInterval)
  let isQuick = false
  const beat = (quick: boolean): void => {
    if (io._drainInterval !== null) clearInterval(io._drainInterval)
    isQuick = quick
    io._drainInterval = setInterval(drain, quick ? DRAIN_MS : DRAIN_IDLE_MS)
    io._drainInterval.unref()
  }
  const drain = (): void => {
    io._drain()
    if (isQuick && congestion._total <= FEW_REQUESTS) beat(false)
  }
  const send = congestion.send.bind(congestion)
  congestion.send = () => {
    send()
    if (!isQuick && congestion._total > FEW_REQUESTS) beat(true)
  }
  beat(true)
}

/** Call after `listen`. */
export function calmAnnouncer(server: DhtServer): void {
  const sleeper = server._announcer?._sleeper
  if (sleeper === undefined) return
  const pause = sleeper.pause.bind(sleeper)
  sleeper.pause = async (ms) => await pause(ANNOUNCE_CHECK_FACTOR * ms)
}
