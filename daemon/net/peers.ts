/** The `FolderPeers` port of one folder over the network. */
import { setImmediate as turn } from 'node:timers/promises'
import type { FolderPeer, FolderPeers, FolderReport, FreshFile, HistoryQuery, KeptVersion } from '../ports.ts'
import type { DeviceId, DriveKey, FolderId, ObjectId } from '../sync/ids.ts'
import type { OnObject } from './chunk-client.ts'
import type { PeerLink } from './link.ts'
import type { Network, SettleHandler } from './swarm.ts'

export interface FolderPeersOptions {
  readonly network: Network
  readonly folder: FolderId
  /** A member came, went, or reported this folder. Only marks work. */
  onChange(): void
  /** Answers members that ask this device to settle the folder. */
  readonly settleHandler: SettleHandler
}

export class FolderPeersAdapter implements FolderPeers {
  readonly #network: Network
  readonly #folder: FolderId
  readonly #stops: readonly (() => void)[]
  readonly #onChange: () => void
  #closed = false

  constructor(options: FolderPeersOptions) {
    const { network, folder } = options
    this.#network = network
    this.#folder = folder
    this.#onChange = () => {
      if (!this.#closed) options.onChange()
    }
    network.setSettleHandler(folder, options.settleHandler)
    this.#stops = [
      network.onPeer((link) => this.#follow(link)),
      network.onReport((_link, reported) => {
        if (reported === folder) this.#onChange()
      }),
    ]
    for (const link of network.links()) link.onClose(this.#onChange)
  }

  connected(): readonly FolderPeer[] {
    // Who has left the folder takes no report back.
    return this.#network.links().map((link) => ({ device: link.device, report: this.has(link.device) ? link.report(this.#folder) : null }))
  }

  has(device: DeviceId): boolean {
    return this.#network.group.folder(this.#folder)?.devices.includes(device) !== false
  }

  report(report: FolderReport): void {
    if (!this.#closed) this.#network.report(this.#folder, report)
  }

  ahead(drive: DriveKey, files: readonly FreshFile[]): void {
    if (!this.#closed) this.#network.ahead(drive, files)
  }

  /** UDX writes to its socket when the event loop polls next; of two turns at least one polls before it ends. */
  async sent(): Promise<void> {
    await turn()
    await turn()
  }

  async want(device: DeviceId, ids: readonly ObjectId[], onObject: OnObject, signal: AbortSignal): Promise<void> {
    await this.#link(device).want(this.#folder, ids, onObject, signal)
  }

  async settle(device: DeviceId, signal: AbortSignal): Promise<FolderReport> {
    return await this.#link(device).settle(this.#folder, signal)
  }

  async history(device: DeviceId, query: HistoryQuery, signal: AbortSignal): Promise<readonly KeptVersion[]> {
    return await this.#link(device).history(this.#folder, query, signal)
  }

  /** The folder is not here any more. */
  close(): void {
    this.#closed = true
    for (const stop of this.#stops) stop()
    this.#network.setSettleHandler(this.#folder, null)
    this.#network.report(this.#folder, null)
  }

  #follow(link: PeerLink): void {
    link.onClose(this.#onChange)
    this.#onChange()
  }

  #link(device: DeviceId): PeerLink {
    const link = this.#network.link(device)
    if (link === null) throw new Error('the device is not connected')
    return link
  }
}
