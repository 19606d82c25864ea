/** Devices for the tests of the network: real groups and networks on a private DHT on 127.0.0.1. */
import createTestnet from 'hyperdht/testnet.js'
import type { Assert } from 'brittle'
import { hash, keyPairOf } from '../../daemon/net/crypto.ts'
import type { KeyPair } from '../../daemon/net/crypto.ts'
import { driveKeyOf, proveOwner } from '../../daemon/net/drive-owner.ts'
import type { DriveOwner } from '../../daemon/net/drive-owner.ts'
import { Group } from '../../daemon/net/group.ts'
import type { Bootstrap } from '../../daemon/net/node.ts'
import { Pairing } from '../../daemon/net/pairing.ts'
import type { PeerLink } from '../../daemon/net/link.ts'
import { Network } from '../../daemon/net/swarm.ts'
import type { NetworkHandlers } from '../../daemon/net/swarm.ts'
import type { Clock, Log } from '../../daemon/ports.ts'
import type { DeviceId, DriveKey, FolderId, WriterId } from '../../daemon/sync/ids.ts'

export const WRITER = '0123456789abcdef' as WriterId

export const realClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

const LOUD = process.env['P2PSYNC_TEST_LOG'] === '1'

function print(level: string): (fields: object, message: string) => void {
  return (fields, message) => {
    if (LOUD) console.error(level, message, fields)
  }
}

export const testLog: Log = { child: () => testLog, error: print('error'), warn: print('warn'), info: print('info'), debug: print('debug') }

export interface Device {
  readonly group: Group
  readonly network: Network
  readonly pairing: Pairing
  readonly stateDir: string
  close(): Promise<void>
}

export async function testnet(t: Assert): Promise<Bootstrap> {
  const net = await createTestnet(3)
  t.teardown(() => net.destroy(), { order: 100 })
  return net.bootstrap
}

export async function openDevice(t: Assert, options: { name: string; bootstrap: Bootstrap; stateDir?: string; handlers?: Partial<NetworkHandlers>; clock?: Clock }): Promise<Device> {
  const stateDir = options.stateDir ?? (await t.tmp())
  const clock = options.clock ?? realClock
  const group = await Group.open({ stateDir, deviceName: options.name, log: testLog })
  const network = new Network({ group, bootstrap: options.bootstrap, listenPort: null, lan: 'off', log: testLog, clock })
  if (options.handlers !== undefined) {
    network.setHandlers({ heads: async () => [], treeHash: async () => null, attach: () => true, onForkEvidence: () => undefined, serve: async () => null, ...options.handlers })
  }
  const pairing = new Pairing({ group, network, clock, log: testLog })
  await network.open()
  await pairing.open()
  const close = async (): Promise<void> => {
    await pairing.close()
    await network.close()
  }
  t.teardown(close, { order: 10 })
  return { group, network, pairing, stateDir, close }
}

/** A machine with other work is slower, and nothing is wrong by that. */
export const PATIENCE_MS = 60_000

/** Resolves once the device is connected to the other. */
export async function connected(from: Device, to: Device): Promise<PeerLink> {
  return until(
    (check) => from.network.onPeer(check),
    () => from.network.link(to.group.self.id),
  )
}

/** Waits for an event after which `read` gives something. */
export async function until<T>(subscribe: (check: () => void) => () => void, read: () => T | null | undefined | false, ms = PATIENCE_MS): Promise<T> {
  const now = read()
  if (now) return now
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      stop()
      reject(new Error(`nothing happened within ${ms} ms`))
    }, ms)
    const stop = subscribe(() => {
      const value = read()
      if (!value) return
      clearTimeout(timer)
      stop()
      resolve(value)
    })
  })
}

export async function groupHas(device: Device, read: () => boolean): Promise<void> {
  await until((check) => device.group.onChange(check), read)
}

/** Pairs `newcomer` into the group of `inviter` and waits until they are connected. */
export async function pair(inviter: Device, newcomer: Device): Promise<void> {
  const { code } = await inviter.pairing.createInvite({ expiresMs: 60_000 })
  await newcomer.pairing.join(code, { timeoutMs: PATIENCE_MS })
  await Promise.all([connected(inviter, newcomer), connected(newcomer, inviter)])
}

export async function codeOf(run: Promise<unknown>): Promise<string> {
  try {
    await run
    return 'none'
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)
  }
}

const namedKeyPairs = new Map<DriveKey, KeyPair>()

/** The key of a drive that is only named; the same for the same name. `announce` knows its key pair. */
export function driveNamed(name: string): DriveKey {
  const keyPair = keyPairOf(hash('test-drive', Buffer.from(name)))
  const key = driveKeyOf(keyPair.publicKey)
  namedKeyPairs.set(key, keyPair)
  return key
}

/** What shows that a drive of `driveNamed` is this device's. */
export function ownerOf(driveKey: DriveKey, folder: FolderId, device: DeviceId): DriveOwner {
  return proveOwner(must(namedKeyPairs.get(driveKey)), folder, device)
}

/** A drive of this device under the folder's current key: one of `driveNamed`, or a real one with its key pair. */
export async function announce(group: Group, folder: FolderId, generation: number, driveKey: DriveKey, keyPair = namedKeyPairs.get(driveKey)): Promise<void> {
  const owner = proveOwner(must(keyPair), folder, group.self.id)
  await group.announceDrive({ folder, generation, driveKey, writer: WRITER, keyId: must(group.folder(folder)).keyId, starts: [], owner })
}

/** What must be there for the test to make sense. */
export function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('the test expected a value')
  return value
}

export const NEVER = new AbortController().signal
