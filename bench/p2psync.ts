/** Two p2psync daemons of this checkout in their default settings. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createWorld, Device, pair, type Scope } from '../test/e2e/harness.ts'
import { waitFor } from '../test/e2e/tree.ts'
import { projectRoot } from '../test/project-root.ts'
import type { Pair, Peer } from './pair.ts'

const OWN_NAME = '.p2psync'

class Daemon implements Peer {
  readonly device: Device

  constructor(device: Device) {
    this.device = device
  }

  get name(): string {
    return this.device.name
  }

  path(...parts: readonly string[]): string {
    return this.device.path(...parts)
  }

  beside(...parts: readonly string[]): string {
    return this.device.beside(...parts)
  }

  pids(): readonly number[] {
    return [this.device.pid]
  }

  /** History is not store: it holds the user's old files, until retention. */
  get stores(): readonly string[] {
    return [join(this.device.home, 'state'), this.device.path(OWN_NAME, 'staging')]
  }

  async isIdle(): Promise<boolean> {
    const status = await this.device.call('status.get', {}).catch(() => null)
    const folder = status?.folders[0]
    return folder?.state === 'idle' && folder.need.files === 0 && folder.need.deletes === 0
  }
}

export async function openP2psync(directory: string): Promise<Pair<Daemon>> {
  const ends: (() => unknown)[] = []
  const scope: Scope = { tmp: async () => directory, teardown: (run) => ends.push(run) }
  const world = await createWorld(scope)
  const [a, b] = ['a', 'b'].map((name) => new Daemon(new Device(scope, world, name, { P2PSYNC_LOG: 'warn' }))) as [Daemon, Daemon]
  await Promise.all([a.device.start(), b.device.start()])
  await a.device.add()
  await pair(a.device, b.device)
  await b.device.add()
  const idle = async (peer: Daemon, timeoutMs: number): Promise<void> => {
    await waitFor(`${peer.name} is idle`, async () => await peer.isIdle(), timeoutMs)
  }
  return {
    name: 'p2psync',
    version: (JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string }).version,
    a,
    b,
    ownNames: [OWN_NAME],
    hint: () => undefined,
    settled: async (timeoutMs) => {
      const { outcome } = await a.device.call('folders.sync', { timeoutMs })
      if (outcome !== 'in-sync') throw new Error(`the devices do not come to rest: ${outcome}`)
      await Promise.all([idle(a, timeoutMs), idle(b, timeoutMs)])
    },
    idle,
    stop: async (peer) => await peer.device.stop(),
    start: async (peer) => await peer.device.start(),
    close: async () => {
      for (const end of ends.reverse()) await end()
    }
  }
}
