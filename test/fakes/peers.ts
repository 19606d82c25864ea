/** One device's `FolderPeers` on a `FakeNetwork`. */
import type { FolderPeer, FolderPeers, FolderReport, FreshFile, HistoryQuery, KeptVersion } from '../../daemon/ports.ts'
import type { DeviceId, DriveKey, ObjectId } from '../../daemon/sync/ids.ts'
import type { Life } from './life.ts'
import type { FakeNetwork } from './network.ts'

export class FakePeers implements FolderPeers {
  readonly #network: FakeNetwork
  readonly #device: DeviceId
  readonly #life: Life
  readonly #reports = new Map<DeviceId, FolderReport | null>()
  #own: FolderReport | null = null

  constructor(network: FakeNetwork, device: DeviceId, life: Life) {
    this.#network = network
    this.#device = device
    this.#life = life
  }

  /** What this device last reported. */
  get own(): FolderReport | null {
    return this.#own
  }

  connected(): readonly FolderPeer[] {
    return [...this.#reports].map(([device, report]) => ({ device, report }))
  }

  has(): boolean {
    return true
  }

  report(report: FolderReport): void {
    if (this.#life.dead) return
    this.#own = report
    this.#network.report(this.#device, report)
  }

  ahead(drive: DriveKey, files: readonly FreshFile[]): void {
    if (!this.#life.dead) this.#network.ahead(this.#device, drive, files)
  }

  async sent(): Promise<void> {
    await Promise.resolve()
  }

  async want(device: DeviceId, ids: readonly ObjectId[], onObject: (id: ObjectId, data: Buffer | null) => void, signal: AbortSignal): Promise<void> {
    await this.#life.step()
    await this.#network.want(this.#device, device, ids, (id, data) => {
      if (!this.#life.dead) onObject(id, data)
    }, signal)
    await this.#life.step()
  }

  async settle(device: DeviceId, signal: AbortSignal): Promise<FolderReport> {
    await this.#life.step()
    const report = await this.#network.settle(this.#device, device, signal)
    await this.#life.step()
    return report
  }

  async history(device: DeviceId, query: HistoryQuery, signal: AbortSignal): Promise<readonly KeptVersion[]> {
    await this.#life.step()
    const rows = await this.#network.history(this.#device, device, query, signal)
    await this.#life.step()
    return rows
  }

  linked(device: DeviceId): void {
    this.#reports.set(device, null)
  }

  unlinked(device: DeviceId): void {
    this.#reports.delete(device)
  }

  reported(device: DeviceId, report: FolderReport): void {
    if (this.#reports.has(device)) this.#reports.set(device, report)
  }
}
