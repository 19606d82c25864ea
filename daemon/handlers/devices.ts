/** `devices.*`. */
import { P2psyncError } from '../../base/errors.ts'
import type { DeviceInfo, Handlers } from '../../rpc/schema.ts'
import { parseHostPort } from '../config.ts'
import type { App } from '../app.ts'
import { selectDevice } from '../select.ts'
import type { DeviceId } from '../sync/ids.ts'

type Part = Pick<Handlers, 'devices.list' | 'devices.rename' | 'devices.remove' | 'devices.address'>

export function deviceHandlers(daemon: App): Part {
  const { group } = daemon
  return {
    'devices.list': async () => ({ devices: deviceInfos(daemon) }),
    'devices.rename': async ({ device, name }) => {
      const { id } = selectDevice(deviceInfos(daemon), device)
      await group.rename(id, name)
      return { device: infoOf(daemon, id) }
    },
    'devices.remove': async ({ device }) => {
      const info = selectDevice(deviceInfos(daemon), device)
      if (info.self) throw new P2psyncError('USAGE', 'this device cannot remove itself; run p2psync devices remove on another one')
      await group.removeDevice(info.id)
      return { device: info }
    },
    'devices.address': async ({ device, address }) => {
      const { id } = selectDevice(deviceInfos(daemon), device)
      const { host, port } = parseHostPort(address)
      await group.setAddress(id, host, port)
      daemon.network.kick()
      return { device: infoOf(daemon, id) }
    }
  }
}

/** All devices of the group, this one first. */
export function deviceInfos(daemon: App): (DeviceInfo & { id: DeviceId })[] {
  const { group } = daemon
  const self = group.self.id
  const members = group.members().map((member) => member.id)
  return [self, ...members.filter((id) => id !== self)].map((id) => infoOf(daemon, id))
}

function infoOf(daemon: App, id: DeviceId): DeviceInfo & { id: DeviceId } {
  const self = id === daemon.group.self.id
  const link = self ? null : daemon.network.link(id)
  const before = daemon.lastSeen.get(id) ?? null
  const lastSeen = link !== null ? Date.now() : (before?.at ?? null)
  return {
    id,
    name: self ? daemon.group.self.name : daemon.nameOf(id),
    self,
    connected: link !== null,
    address: link?.address ?? before?.address ?? null,
    transport: link?.transport ?? null,
    lastSeen: lastSeen === null ? null : new Date(lastSeen).toISOString(),
    rxBytes: link?.rxBytes ?? 0,
    txBytes: link?.txBytes ?? 0
  }
}
