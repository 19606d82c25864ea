/** The thread of disk/far-watch.ts: looks at directories, watches them, and tells of their events, in the order in which it is asked. */
import { parentPort, workerData } from 'node:worker_threads'
import { errnoOf, messageOf } from '../../base/errors.ts'
import { DirectoryWatcher, identityOf, watchedPathOf } from './directory-watcher.ts'
import { EventFlood, eventFlood } from './event-flood.ts'
import type { FarAnswer, FarDirectory, FarWatchData, FarWatchEvent, FarWatchMessage, FarWatchRequest } from './far-watch.ts'

/** Many directories of a slow disk are no silence. */
const SIGN_MS = 500

const source = new DirectoryWatcher()
const { queueLimit } = workerData as FarWatchData
const flood = queueLimit === null ? eventFlood() : new EventFlood(queueLimit)
/** Forgotten once the events before that have come. */
const leaving = new Set<string>()
let events: FarWatchEvent[] = []
let signAt = 0

flood.add(() => post({ kind: 'doubt' }))
source.on('raw', (event: string, name: unknown, details: unknown) => {
  flood.count()
  // One turn of the event loop brings many.
  if (events.push({ event, name: typeof name === 'string' ? name : null, watchedPath: watchedPathOf(details) }) === 1) setImmediate(flush)
})
source.on('error', (error) => post({ kind: 'failed', code: errnoOf(error), message: messageOf(error) }))

parentPort?.on('message', (request: FarWatchRequest) => {
  if (request.kind === 'forget') return forgetLater(request.path)
  const answers = watchAll(request.directories)
  flush()
  post({ kind: 'answer', id: request.id, answers })
})

function watchAll(directories: readonly FarDirectory[]): FarAnswer[] {
  signAt = performance.now() + SIGN_MS
  return directories.map(({ path, root, known }) => {
    const identity = identityOf(path, root)
    sign()
    if (identity === null) return null
    if (identity === known) return 'known'
    if (leaving.delete(path) || known !== null) flood.closedEarly()
    source.forgetDirectory(path)
    return { identity, stands: source.watchDirectory(path) }
  })
}

function forgetLater(path: string): void {
  if (leaving.size === 0) setImmediate(forgetAll)
  leaving.add(path)
}

function forgetAll(): void {
  for (const path of leaving) source.forgetDirectory(path)
  leaving.clear()
}

function sign(): void {
  if (performance.now() < signAt) return
  signAt = performance.now() + SIGN_MS
  post({ kind: 'sign' })
}

function flush(): void {
  if (events.length === 0) return
  const told = events
  events = []
  post({ kind: 'events', events: told })
}

function post(message: FarWatchMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, no window
  parentPort?.postMessage(message)
}
