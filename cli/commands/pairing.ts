/** `p2psync invite`, `join` */
import { P2psyncError } from '../../base/errors.ts'
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
  out.line('On a computer that others use too, type `p2psync join` alone and give it the code when it asks: they can read what stands on a command line.')
  out.line(`The code works once, for ${duration(Date.parse(created.expiresAt) - Date.now())}. Keep this device on until it is used.`)
}

async function qrCode(text: string, colour: boolean): Promise<string> {
  const { default: qrcode } = await import('qrcode')
  return qrcode.toString(text, { type: colour ? 'terminal' : 'utf8', small: true, errorCorrectionLevel: 'L' })
}

export const join: Command<[code: string | undefined, options: { readonly timeout: string; readonly leave?: boolean }]> = async (context, given, options) => {
  const { out } = context
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const code = given === undefined || given === '-' ? await readCode() : given
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

/** From the terminal or a pipe: what stands on a command line every user of a computer can read while the command runs. */
async function readCode(): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  try {
    if (process.stdin.isTTY === true) process.stderr.write('The code that `p2psync invite` shows on the other device: ')
    for await (const line of lines) return line.trim()
    throw new P2psyncError('USAGE', 'no code came; give it as an argument, or on standard input')
  } finally {
    lines.close()
  }
}

function nextSteps(out: { line(text?: string): void }, folders: Result<'folders.list'>['folders']): void {
  const elsewhere = folders.filter((folder) => folder.path === null && folder.devices.length > 0)
  if (elsewhere.length === 0 && folders.length > 0) return
  out.line()
  if (elsewhere.length === 0) out.line('Type `p2psync list` in a moment to see the folders of the group, and `p2psync add PATH` to have one here.')
  for (const folder of elsewhere) out.line(`To have the folder ${printable(folder.name)} here, type \`p2psync add PATH --join ${shortId(folder.id)}\`.`)
}
