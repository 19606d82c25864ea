/** Turns what folders do into events: states when they change, progress a few times a second, changes gathered for a moment. */
import type { EventSink } from '../rpc/events.ts'
import type { PathChange } from './folder/context.ts'
import type { FolderHost } from './host.ts'
import type { Clock } from './ports.ts'
import { isConflictPath } from './sync/conflict.ts'
import type { FolderId } from './sync/ids.ts'

/** Progress and changes of one folder are told at most this often. */
const TELL_EVERY_MS = 250
/** More changed paths than this are only counted. */
const MAX_LISTED_CHANGES = 100

interface Told {
  state: string
  need: string
  changes: PathChange[]
  more: number
  timer: (() => void) | null
  doneFiles: number
  doneBytes: number
}

export class Announcer {
  readonly #events: EventSink
  readonly #clock: Clock
  readonly #told = new Map<FolderId, Told>()

  constructor(events: EventSink, clock: Clock) {
    this.#events = events
    this.#clock = clock
  }

  folderState(host: FolderHost): void {
    const told = this.#toldOf(host.id)
    const { activity: state, reason } = host.folder
    const text = `${state} ${reason?.code ?? ''}`
    if (text !== told.state) {
      told.state = text
      this.#events.emit({ type: 'folder-state', folder: host.id, name: host.name, state, reason })
    }
    this.#schedule(host, told)
  }

  changes(host: FolderHost, changes: readonly PathChange[]): void {
    const told = this.#toldOf(host.id)
    for (const change of changes) {
      if (told.changes.length < MAX_LISTED_CHANGES) told.changes.push(change)
      else told.more++
      if (change.from === 'remote' && change.kind === 'file') told.doneFiles++
    }
    this.#schedule(host, told)
  }

  close(): void {
    for (const told of this.#told.values()) told.timer?.()
    this.#told.clear()
  }

  #toldOf(id: FolderId): Told {
    let told = this.#told.get(id)
    if (told === undefined) this.#told.set(id, (told = { state: '', need: '', changes: [], more: 0, timer: null, doneFiles: 0, doneBytes: 0 }))
    return told
  }

  #schedule(host: FolderHost, told: Told): void {
    if (told.timer !== null) return
    told.timer = this.#clock.after(TELL_EVERY_MS, () => {
      told.timer = null
      if (!host.closing) this.#tell(host, told)
    })
  }

  #tell(host: FolderHost, told: Told): void {
    const { need, receivedBytes } = host.status
    const text = JSON.stringify(need)
    if (text !== told.need) {
      told.need = text
      this.#events.emit({ type: 'progress', folder: host.id, need, doneFiles: told.doneFiles, doneBytes: receivedBytes })
      if (need.files === 0 && need.deletes === 0) told.doneFiles = 0
    }
    const { changes, more } = told
    told.changes = []
    told.more = 0
    for (const origin of ['local', 'remote'] as const) this.#tellChanges(host, origin, changes, more)
  }

  #tellChanges(host: FolderHost, origin: 'local' | 'remote', changes: readonly PathChange[], more: number): void {
    const listed = changes.filter((change) => change.from === origin)
    if (listed.length === 0) return
    this.#events.emit({ type: 'changes', folder: host.id, origin, changes: listed.map(describe), more })
    for (const change of listed) {
      if (origin === 'remote' && change.kind !== 'tombstone' && isConflictPath(change.path)) {
        this.#events.emit({ type: 'conflict', folder: host.id, path: change.path, copy: change.path })
      }
    }
  }
}

function describe(change: PathChange): { path: string; action: 'created' | 'changed' | 'deleted'; kind: 'file' | 'directory' | 'symlink' } {
  if (change.kind === 'tombstone') return { path: change.path, action: 'deleted', kind: change.was ?? 'file' }
  return { path: change.path, action: change.was === null ? 'created' : 'changed', kind: change.kind }
}
