/** `p2psync add`: the first command of every user; says what it did and what to type on the other device. */
import { homedir } from 'node:os'
import { basename, resolve } from 'node:path'
import { P2psyncError } from '../../base/errors.ts'
import type { Client } from '../../rpc/client.ts'
import type { Params, Result } from '../../rpc/schema.ts'
import type { Command, Context } from '../context.ts'
import { printable, type Output } from '../output.ts'
import { followSync } from '../progress.ts'

interface Options {
  readonly name?: string
  readonly join?: string
  readonly new?: boolean
  readonly mode?: string
}

export const add: Command<[path: string, options: Options]> = async (context, path, options) => {
  if (options.mode !== undefined && options.mode !== 'send-receive') {
    throw new P2psyncError('USAGE', `--mode ${options.mode} is not there yet: every folder sends and receives; leave the option out`)
  }
  if (path === '') throw new P2psyncError('USAGE', 'the path is empty; name a directory')
  if (options.join !== undefined && options.new === true) throw new P2psyncError('USAGE', 'take either --join or --new, not both')
  const client = await context.daemon()
  const added = await call(context, client, path, options)
  const { devices } = await client.call('devices.list')
  context.out.document({ folder: added.folder, joined: added.joined })
  tell(context.out, added)
  if (context.out.interactive) await followSync(context, client, added.folder.id)
  if (devices.every((device) => device.self)) nextSteps(context.out, added.folder)
}

function call(context: Context, client: Client, path: string, options: Options): Promise<Result<'folders.add'>> {
  const params: Params<'folders.add'> = { path: resolve(context.cwd, path), ...(options.name === undefined ? {} : { name: options.name }), ...(options.new === true ? { new: true } : {}) }
  if (options.join === undefined) return client.call('folders.add', params)
  return client.call('folders.add', { ...params, join: options.join })
}

function tell(out: Output, { folder, joined }: Result<'folders.add'>): void {
  const name = out.style('bold', printable(folder.name))
  const path = printable(folder.path)
  if (joined) out.line(`${path} is now this device's copy of the folder ${name} of your group; what both have is merged, nothing is lost.`)
  else out.line(`Watching ${path} as the folder ${name}.`)
}

function nextSteps(out: Output, folder: Result<'folders.add'>['folder']): void {
  const name = basename(folder.path) === folder.name ? '' : ` --name ${typed(folder.name)}`
  out.line()
  out.line('To have it on another device as well, install p2psync there, then type')
  out.line(`  here:   ${out.style('bold', 'p2psync invite')}`)
  out.line(`  there:  ${out.style('bold', 'p2psync join CODE')}   with the code that invite prints`)
  out.line(`          ${out.style('bold', `p2psync add ${typed(folder.path)}${name}`)}`)
}

/** As one types it in a shell, the home directory as `~`. */
function typed(text: string): string {
  const home = homedir()
  const inHome = text.startsWith(`${home}/`)
  const rest = inHome ? text.slice(home.length + 1) : text
  const quoted = /^[\w@%+=:,./-]+$/.test(rest) ? rest : `'${printable(rest).replace(/'/g, "'\\''")}'`
  return inHome ? `~/${quoted}` : quoted
}
