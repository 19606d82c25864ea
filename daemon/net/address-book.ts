/**
 * The port this device keeps, and where each member was last reached: `state/network.json`. Nothing here is secret or needed; a
 * file that cannot be read is begun anew.
 */
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { join } from 'node:path'
import { writeDurably } from '../../base/durable-file.ts'
import { errnoOf, messageOf } from '../../base/errors.ts'
import type { NodeAddress } from 'hyperdht'
import type { Log } from '../ports.ts'
import { parseDeviceId } from '../sync/ids.ts'
import type { DeviceId } from '../sync/ids.ts'
import { MAX_ADDRESSES, MAX_DEVICES } from './limits.ts'
import { parseAddress } from './records.ts'

export class AddressBook {
  readonly #path: string
  readonly #log: Log
  readonly #remembered = new Map<DeviceId, NodeAddress[]>()
  /** Static host names, resolved. */
  readonly #resolved = new Map<string, string>()
  #port = 0

  constructor(stateDir: string, log: Log) {
    this.#path = join(stateDir, 'network.json')
    this.#log = log
    this.#load()
  }

  /** 0: none chosen yet. */
  get port(): number {
    return this.#port
  }

  keepPort(port: number): void {
    if (port === this.#port) return
    this.#port = port
    this.#save()
  }

  /** The device was just reached there. */
  remember(device: DeviceId, address: NodeAddress): void {
    const known = this.#remembered.get(device) ?? []
    if (known[0]?.host === address.host && known[0].port === address.port) return
    const others = known.filter((other) => other.host !== address.host || other.port !== address.port)
    if (this.#remembered.size >= 2 * MAX_DEVICES) this.#remembered.clear()
    this.#remembered.set(device, [address, ...others].slice(0, MAX_ADDRESSES))
    this.#save()
  }

  /** Addresses worth a try, the last good one first; `fixed` are the ones a user gave, `host:port`. */
  addresses(device: DeviceId, fixed: readonly string[]): NodeAddress[] {
    const given = fixed.map((text) => this.#parse(text)).filter((address) => address !== null)
    return [...(this.#remembered.get(device) ?? []).slice(0, 1), ...given, ...(this.#remembered.get(device) ?? []).slice(1)]
  }

  /** Looks up the host names among fixed addresses, so that a dial need not wait. True if one has another address than before. */
  async resolve(fixed: readonly string[]): Promise<boolean> {
    let news = false
    for (const text of fixed) {
      const { host } = split(text)
      if (host === '' || isIPv4(host) || host.includes(':')) continue
      try {
        const { address } = await lookup(host, { family: 4 })
        news ||= this.#resolved.get(host) !== address
        this.#resolved.set(host, address)
      } catch (error) {
        this.#log.debug({ host, reason: messageOf(error) }, 'a host name of a device cannot be resolved')
      }
    }
    return news
  }

  #parse(text: string): NodeAddress | null {
    const { host, port } = split(text)
    const ip = isIPv4(host) ? host : this.#resolved.get(host)
    return ip === undefined ? null : parseAddress(ip, port)
  }

  #load(): void {
    try {
      const value: unknown = JSON.parse(readFileSync(this.#path, 'utf8'))
      const { port, devices } = value as { port?: unknown; devices?: unknown }
      this.#port = parseAddress('localhost', port)?.port ?? 0
      const rows = typeof devices === 'object' && devices !== null ? Object.entries(devices) : []
      for (const [id, list] of rows) this.#loadDevice(id, list)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') this.#log.warn({ reason: messageOf(error) }, 'the remembered addresses cannot be read; beginning anew')
    }
  }

  #loadDevice(id: string, list: unknown): void {
    const device = parseDeviceId(id)
    if (device === null || !Array.isArray(list)) return
    const addresses = list.map((item: { host?: unknown; port?: unknown } | null) => parseAddress(item?.host, item?.port))
    this.#remembered.set(device, addresses.filter((address) => address !== null && isIPv4(address.host)) as NodeAddress[])
  }

  #save(): void {
    try {
      writeDurably(this.#path, JSON.stringify({ format: 1, port: this.#port, devices: Object.fromEntries(this.#remembered) }))
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'the remembered addresses cannot be written')
    }
  }
}

function split(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
}
