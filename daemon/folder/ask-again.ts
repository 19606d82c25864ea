/**
 * When what no connected device could give is asked for again because devices said something: at once if it is little, or if a device has
 * come. Of much more (the author of a hundred thousand files is away) each word of the others would have all of them asked for all of it. What one
 * of them states to have is asked for at once all the same.
 */
import { ASK_GATHER_LAST_MS, ASK_GATHER_MS, FEW_UNAVAILABLE } from '../../base/limits.ts'
import type { FolderPeers } from '../ports.ts'
import type { DeviceId } from '../sync/ids.ts'
import { canGive } from './fetch-sources.ts'
import type { Fetcher } from './fetcher.ts'
import type { Notices } from './notices.ts'

export class AskAgain {
  readonly #notices: Notices
  /** Those that can be asked. */
  #usable: ReadonlySet<DeviceId> = new Set()

  constructor(notices: Notices) {
    this.#notices = notices
  }

  /** A device came, went or reported: it can be asked once it has. */
  heard(peers: Pick<FolderPeers, 'connected'>, fetcher: Pick<Fetcher, 'refused' | 'peersChanged'>): void {
    const before = this.#usable
    this.#usable = new Set(peers.connected().filter(canGive).map(({ device }) => device))
    const hasCome = [...this.#usable].some((device) => !before.has(device))
    const { refused } = fetcher
    if (hasCome || refused <= FEW_UNAVAILABLE) fetcher.peersChanged()
    else this.#notices.once('ask-again', Math.min(refused * ASK_GATHER_MS, ASK_GATHER_LAST_MS), () => fetcher.peersChanged())
  }
}
