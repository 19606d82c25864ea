/** Puts together what the steps of one folder's cycle share, from its ports and what folder.ts keeps for itself. */
import { FORETOLD_BYTES, GONE_MIN_PATHS, MOVED_AT_ONCE } from '../../base/limits.ts'
import type { Problem } from '../ports.ts'
import type { PathKey } from '../sync/ids.ts'
import { Aside } from './aside.ts'
import type { Counter, FolderContext, FolderPorts, PathChange } from './context.ts'
import { Displacements } from './displaced.ts'
import { Fetcher } from './fetcher.ts'
import { Foretelling } from './foretelling.ts'
import { Guard } from './guard.ts'
import { Misstated } from './misstated.ts'
import { Moving } from './moving.ts'
import type { FolderOptions } from './options.ts'
import { PullRoom } from './pull-room.ts'
import { RecentChunks } from './recent-chunks.ts'
import type { Resting } from './resting.ts'
import type { Rules } from './rules.ts'
import type { Tally } from './tally.ts'
import { Unstated } from './unstated.ts'
import type { Work } from './work.ts'

export interface ContextParts {
  readonly work: Work
  readonly tally: Tally
  readonly rules: Rules
  readonly signal: AbortSignal
  readonly counter: Counter
  readonly resting: Resting
  /** As in the context. */
  readonly held: () => boolean
  /** Marks work and wakes the cycle. */
  mark(mark: () => void): void
  wake(): void
  tell(): void
  sync(): Promise<void>
  unread(paths: readonly PathKey[]): void
  changed(changes: readonly PathChange[]): void
}

export function createContext(ports: FolderPorts & Pick<FolderOptions, 'guard' | 'foretoldBytes' | 'goneMin' | 'movedAtOnce' | 'pullAhead'>, parts: ContextParts): FolderContext {
  const { disk, index, peers, log } = ports
  const { work, tally, rules, signal, counter, mark } = parts
  const problems = new Map<string, Problem>()
  const blocked = new Map<PathKey, Problem>()
  const failed = (paths: readonly PathKey[], problem: Omit<Problem, 'path'>): void => {
    for (const path of paths) {
      blocked.set(path, { ...problem, path })
      problems.set(path, { ...problem, path })
    }
  }
  const recent = new RecentChunks()
  const fetcher = new Fetcher({
    disk,
    index,
    peers,
    log,
    signal,
    held: parts.held,
    verified: (chunk, data) => recent.put(chunk, data),
    recent: (chunk) => recent.get(chunk),
    staged: (paths) => mark(() => work.markDirty(paths)),
    failed: (paths, problem) => mark(() => failed(paths, problem)),
    ended: () => {
      if (pullRoom.resumes()) mark(() => work.markPull())
    },
    untidy: () => mark(() => work.markPull())
  })
  const pullRoom = new PullRoom(fetcher, work, ports.pullAhead)
  return {
    ports,
    held: parts.held,
    work,
    tally,
    rules,
    fetcher,
    pullRoom,
    guard: new Guard(ports.guard),
    moving: new Moving(),
    aside: new Aside(),
    foretelling: new Foretelling(),
    foretoldBytes: ports.foretoldBytes ?? FORETOLD_BYTES,
    movedAtOnce: ports.movedAtOnce ?? MOVED_AT_ONCE,
    goneMin: ports.goneMin ?? GONE_MIN_PATHS,
    recent,
    resting: parts.resting,
    asked: new Set(),
    problems,
    misstated: new Misstated(),
    blocked,
    unstated: new Unstated(),
    displaced: new Displacements(),
    refusals: new Map(),
    copyBases: new Map(),
    followers: new Map(),
    signal,
    counter,
    wake: () => parts.wake(),
    tell: () => parts.tell(),
    sync: async () => await parts.sync(),
    unread: (paths) => parts.unread(paths),
    changed: (changes) => parts.changed(changes)
  }
}
