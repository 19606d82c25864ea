/** The `FolderPeers` port of one folder over the network. */
import type { FolderPeer, FolderPeers, FolderReport } from '../ports.ts'
import type { DeviceId, FolderId, ObjectId } from '../sync/ids.ts'
import type { PeerLink } from './link.ts'
import type { Network, SettleHandler } from './swarm.ts'

/** The folder's side; it comes to be after its peers. */
export interface PeersBinding {
  /** A member came, went, or reported this folder. Only marks work. */
  changed(): void
  /** Answers members that ask this device to settle the folder; without it `NetworkHandlers.settle` does. */
  settle?: SettleHandler
}

export class FolderPeersAdapter implements FolderPeers {
  readonly #network: Network
  readonly #folder: FolderId
  readonly #stops: readonly (() => void)[]
  #binding: PeersBinding | null = null

  constructor(network: Network, folder: FolderId) {
    this.#network = network
    this.#folder = folder
    this.#stops = [
      network.onPeer((link) => this.#follow(link)),
      network.onReport((_link, reported) => {
        if (reported === folder) this.#changed()
      }),
    ]
    for (const link of network.links()) link.onClose(() => this.#changed())
  }

  bind(binding: PeersBinding): void {
    this.#binding = binding
    this.#network.setSettleHandler(this.#folder, binding.settle ?? null)
  }

  connected(): readonly FolderPeer[] {
    return this.#network.links().map((link) => ({ device: link.device, report: link.report(this.#folder) }))
  }

  report(report: FolderReport): void {
    this.#network.report(this.#folder, report)
  }

  async want(device: DeviceId, ids: readonly ObjectId[], onObject: (id: ObjectId, data: Buffer | null) => void, signal: AbortSignal): Promise<void> {
    await this.#link(device).want(this.#folder, ids, onObject, signal)
  }

  async settle(device: DeviceId, signal: AbortSignal): Promise<FolderReport> {
    return await this.#link(device).settle(this.#folder, signal)
  }

  /** The folder is not here any more. */
  close(): void {
    this.#binding = null
    for (const stop of this.#stops) stop()
    this.#network.setSettleHandler(this.#folder, null)
    this.#network.report(this.#folder, null)
  }

  #follow(link: PeerLink): void {
    link.onClose(() => this.#changed())
    this.#changed()
  }

  #changed(): void {
    this.#binding?.changed()
  }

  #link(device: DeviceId): PeerLink {
    const link = this.#network.link(device)
    if (link === null) throw new Error('the device is not connected')
    return link
  }
}
