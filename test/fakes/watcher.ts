/** Hints of a `FakeUser`, some of them late, some of them lost, only for directories that were met. */
import type { FolderInbox, Watcher } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import type { Life } from './life.ts'
import { parentOf } from './tree.ts'

export interface HintFate {
  /** Milliseconds until the hint comes; null: it is lost. */
  delay(): number | null
}

export class FakeWatcher implements Watcher {
  readonly #watched = new Set<string>()
  readonly #life: Life
  readonly #inbox: () => Pick<FolderInbox, 'localChanged'>
  readonly #fate: HintFate

  constructor(life: Life, inbox: () => Pick<FolderInbox, 'localChanged'>, fate: HintFate = { delay: () => 0 }) {
    this.#life = life
    this.#inbox = inbox
    this.#fate = fate
  }

  watch(directories: readonly PathKey[]): null {
    for (const directory of directories) this.#watched.add(directory)
    return null
  }

  /** A user did something to these paths. */
  hint(paths: readonly string[]): void {
    const heard = paths.filter((path) => this.#watched.has(parentOf(path)))
    const delay = heard.length === 0 ? null : this.#fate.delay()
    if (delay === null || this.#life.dead) return
    this.#life.clock.after(delay, () => this.#inbox().localChanged(heard as PathKey[]))
  }

  async close(): Promise<void> {
    this.#watched.clear()
    await this.#life.step()
  }
}
