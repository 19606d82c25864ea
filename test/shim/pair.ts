/** Two paired daemons that share `docs`, each with a shim between itself and its files. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createWorld, Device, pair, type Scope } from '../e2e/harness.ts'
import { Shim } from './shim.ts'

export interface Shimmed {
  readonly device: Device
  readonly shim: Shim
}

/** `prepare`: before anything runs. `environment`: of the daemons, besides. */
export async function createShimmedPair(t: Scope, environment: Readonly<Record<string, string>> = {}, prepare: (devices: readonly Shimmed[]) => Promise<void> | void = () => undefined): Promise<[Shimmed, Shimmed]> {
  const world = await createWorld(t)
  const make = async (name: string): Promise<Shimmed> => {
    // Where the device will say that its files are; what a shim is told when it is made cannot be asked of the device yet.
    const place = new Device(t, world, name)
    await mkdir(place.path(), { recursive: true })
    const shim = new Shim(place.beside('shim'), join(world.root, 'order'))
    t.teardown(() => shim.close(), { order: 2000 })
    return { shim, device: new Device(t, world, name, { ...environment, ...shim.environment(place.path(), place.home) }) }
  }
  const [a, b] = [await make('a'), await make('b')]
  await prepare([a, b])
  await Promise.all([a.device.start(), b.device.start()])
  await a.device.add()
  await pair(a.device, b.device)
  await b.device.add()
  return [a, b]
}
