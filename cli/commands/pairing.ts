/** `p2psync invite`, `join` */
import type { Result } from '../../rpc/schema.ts'
import { parseDuration } from '../arguments.ts'
import type { Command } from '../context.ts'
import { duration, shortId } from '../format.ts'
import { printable } from '../output.ts'
import { followSync } from '../progress.ts'

export const invite: Command<[options: { readonly expires: string }]> = async (context, options) => {
  const { out } = context
  const expiresMs = parseDuration(options.expires, '--expires')
  const client = await context.daemon()
  const created = await client.call('invites.create', { expiresMs })
  out.document(created)
  if (out.interactive) out.line(await qrCode(created.invite, out.colour))
  out.line('On the other device type')
  out.line(`  ${out.style('bold', `p2psync join ${created.invite}`)}`)
  out.line(`The code works once, for ${duration(Date.parse(created.expiresAt) - Date.now())}. Keep this device on until it is used.`)
}

async function qrCode(text: string, colour: boolean): Promise<string> {
  const { default: qrcode } = await import('qrcode')
  return qrcode.toString(text, { type: colour ? 'terminal' : 'utf8', small: true, errorCorrectionLevel: 'L' })
}

export const join: Command<[code: string, options: { readonly timeout: string; readonly leave?: boolean }]> = async (context, code, options) => {
  const { out } = context
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const client = await context.daemon()
  if (out.interactive) out.line('Looking for the device that made this code …')
  const joined = await client.call('invites.join', { code, timeoutMs, ...(options.leave === true ? { leave: true } : {}) })
  out.document(joined)
  out.line(`This device, ${out.style('bold', printable(joined.device.name))}, is in the group now. Its devices:`)
  for (const device of joined.devices) out.line(`  ${shortId(device.id)}  ${printable(device.name)}${device.self ? '  (this one)' : ''}`)
  if (out.json) return
  const { folders } = await client.call('folders.list')
  nextSteps(out, folders)
  if (out.interactive && folders.some((folder) => folder.path !== null)) await followSync(context, client, null)
}

function nextSteps(out: { line(text?: string): void }, folders: Result<'folders.list'>['folders']): void {
  const elsewhere = folders.filter((folder) => folder.path === null && folder.devices.length > 0)
  if (elsewhere.length === 0 && folders.length > 0) return
  out.line()
  if (elsewhere.length === 0) out.line('Type `p2psync list` in a moment to see the folders of the group, and `p2psync add PATH` to have one here.')
  for (const folder of elsewhere) out.line(`To have the folder ${printable(folder.name)} here, type \`p2psync add PATH --join ${shortId(folder.id)}\`.`)
}
