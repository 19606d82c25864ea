/**
 * Whom to dial, when, and where first. Hyperswarm dials and retries with growing pauses; this decides for whom, tries known
 * addresses before the DHT, leaves the first dial to newcomers, and begins anew after the machine slept.
 */
import type Hyperswarm from 'hyperswarm'
import type { NodeAddress } from 'hyperdht'
import { messageOf } from '../../base/errors.ts'
import type { Clock, Log } from '../ports.ts'
import type { DeviceId } from '../sync/ids.ts'
import type { AddressBook } from './address-book.ts'
import type { Group } from './group.ts'
import { NEW_MEMBER_GRACE_MS, REDIAL_MS, WAKE_CHECK_MS } from './limits.ts'
import type { Node } from './node.ts'

export interface DialerOptions {
  readonly group: Group
  readonly book: AddressBook
  readonly node: Node
  readonly swarm: Hyperswarm
  readonly clock: Clock
  readonly log: Log
  /** May and should be connected, and is not. */
  wanted(device: DeviceId): boolean
}

export class Dialer {
  readonly #options: DialerOptions
  readonly #known = new Set<DeviceId>()
  readonly #grace = new Map<DeviceId, () => void>()
  readonly #reachable: Map<DeviceId, readonly NodeAddress[]>
  #untilRedialMs = REDIAL_MS
  #stopTimer: () => void = () => undefined
  #closed = false

  /** `reachable` is what the node tries first for each device; kept up to date here. */
  constructor(options: DialerOptions, reachable: Map<DeviceId, readonly NodeAddress[]>) {
    this.#options = options
    this.#reachable = reachable
  }

  /** All present members are old acquaintances: dial them now. Called at start and after joining another group. */
  start(): void {
    for (const { id } of this.#options.group.members()) this.#known.add(id)
    this.#stopTimer()
    this.#tick()
  }

  /** The group changed. */
  follow(): void {
    const { group, swarm } = this.#options
    for (const device of [...this.#known]) {
      if (!group.isMember(device)) this.#forget(device)
    }
    for (const { id } of group.members()) {
      swarm.peers.get(id)?.ban(false)
      if (!this.#known.has(id)) this.#dialAfterGrace(id)
    }
    this.kick()
  }

  /** Dials all absent members now. */
  kick(): void {
    for (const device of this.#known) this.#dial(device)
    this.#resolve().catch((error: unknown) => this.#options.log.debug({ reason: messageOf(error) }, 'looking up addresses failed'))
  }

  close(): void {
    this.#closed = true
    this.#stopTimer()
    for (const stop of this.#grace.values()) stop()
    this.#grace.clear()
  }

  #forget(device: DeviceId): void {
    this.#known.delete(device)
    this.#reachable.delete(device)
    this.#options.swarm.leavePeer(Buffer.from(device, 'hex'))
  }

  /** A newcomer dials first: while it has not taken in the group, it would refuse us. */
  #dialAfterGrace(device: DeviceId): void {
    if (this.#grace.has(device)) return
    const stop = this.#options.clock.after(NEW_MEMBER_GRACE_MS, () => {
      this.#grace.delete(device)
      if (this.#closed || !this.#options.group.isMember(device)) return
      this.#known.add(device)
      this.#dial(device)
    })
    this.#grace.set(device, stop)
  }

  #dial(device: DeviceId): void {
    const { log } = this.#options
    this.#dialReachable(device).catch((error: unknown) => log.warn({ peer: device.slice(0, 8), reason: messageOf(error) }, 'dialling failed'))
  }

  async #dialReachable(device: DeviceId): Promise<void> {
    const { node, swarm } = this.#options
    if (!this.#isWanted(device)) return
    const addresses = await node.reachable(this.#addressesOf(device))
    this.#reachable.set(device, addresses)
    if (this.#isWanted(device) && (node.hasDht || addresses.length > 0)) swarm.joinPeer(Buffer.from(device, 'hex'))
  }

  #isWanted(device: DeviceId): boolean {
    return !this.#closed && this.#options.wanted(device)
  }

  #addressesOf(device: DeviceId): NodeAddress[] {
    const { group, book } = this.#options
    return book.addresses(device, group.members().find((member) => member.id === device)?.addresses ?? [])
  }

  /** Host names among static addresses; dials that waited for one start then. */
  async #resolve(): Promise<void> {
    const { group, book } = this.#options
    const news = await book.resolve(group.members().flatMap((member) => member.addresses))
    if (news) for (const device of this.#known) this.#dial(device)
  }

  /** Also notices that the machine slept: then the connections are dead and nobody has said so. */
  #tick(): void {
    const { clock } = this.#options
    const before = clock.now()
    this.#stopTimer = clock.after(WAKE_CHECK_MS, () => {
      if (this.#closed) return
      this.#untilRedialMs -= WAKE_CHECK_MS
      if (this.#untilRedialMs <= 0 || clock.now() - before > 3 * WAKE_CHECK_MS) {
        this.#untilRedialMs = REDIAL_MS
        this.kick()
      }
      this.#tick()
    })
  }
}
