/** The thread of disk/far-watch.ts: looks at directories, watches them, and tells of their events, in the order in which it is asked. */
import { parentPort } from 'node:worker_threads'
import { errnoOf, messageOf } from '../../base/errors.ts'
import { DirectoryWatcher, identityOf, watchedPathOf } from './directory-watcher.ts'
import type { FarWatchEvent, FarWatchMessage, FarWatchRequest } from './far-watch.ts'

const source = new DirectoryWatcher()
let events: FarWatchEvent[] = []

source.on('raw', (event: string, name: unknown, details: unknown) => {
  // One turn of the event loop brings many.
  if (events.push({ event, name: typeof name === 'string' ? name : null, watchedPath: watchedPathOf(details) }) === 1) setImmediate(flush)
})
source.on('error', (error) => post({ kind: 'failed', code: errnoOf(error), message: messageOf(error) }))

parentPort?.on('message', (request: FarWatchRequest) => {
  if (request.kind === 'forget') source.forgetDirectory(request.path)
  else if (request.kind === 'identity') post({ kind: 'answer', id: request.id, answer: identityOf(request.path, request.root) })
  else post({ kind: 'answer', id: request.id, answer: source.watchDirectory(request.path) })
})

function flush(): void {
  const told = events
  events = []
  post({ kind: 'events', events: told })
}

function post(message: FarWatchMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, no window
  parentPort?.postMessage(message)
}
