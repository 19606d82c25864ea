/** `p2psync devices` */
import type { DeviceInfo } from '../../rpc/schema.ts'
import type { Command } from '../context.ts'
import { ago, bytes, shortId, table } from '../format.ts'
import { printable } from '../output.ts'

export const list: Command<[]> = async (context) => {
  const { out } = context
  const client = await context.daemon()
  const { devices } = await client.call('devices.list')
  out.document({ devices })
  for (const row of table(devices.map((device) => cells(device, Date.now())))) out.line(row)
  if (devices.length === 1) out.line('Pair another with `p2psync invite`.')
}

function cells(device: DeviceInfo, now: number): string[] {
  const name = printable(device.name)
  if (device.self) return [shortId(device.id), name, 'this device']
  if (!device.connected) return [shortId(device.id), name, `away, last seen ${ago(device.lastSeen, now)}`]
  const over = [device.transport, device.address].filter((part) => part !== null).join(' ')
  return [shortId(device.id), name, `connected ${printable(over)}`.trimEnd(), `received ${bytes(device.rxBytes)}, sent ${bytes(device.txBytes)}`]
}

export const rename: Command<[device: string, name: string]> = async (context, selector, name) => {
  const { device } = await (await context.daemon()).call('devices.rename', { device: selector, name })
  context.out.document({ device })
  context.out.line(`${shortId(device.id)} is called ${printable(device.name)} now.`)
}

export const remove: Command<[device: string]> = async (context, selector) => {
  const { device } = await (await context.daemon()).call('devices.remove', { device: selector })
  context.out.document({ device })
  context.out.line(`${printable(device.name)} is out of the group and gets nothing new; what it has already, it keeps.`)
}

export const address: Command<[device: string, address: string]> = async (context, selector, hostPort) => {
  const { device } = await (await context.daemon()).call('devices.address', { device: selector, address: hostPort })
  context.out.document({ device })
  context.out.line(`${printable(device.name)} will be dialled at ${printable(hostPort)} as well.`)
}
