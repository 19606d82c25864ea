/** `p2psync remove`, `list`, `pause`, `resume`, `scan` */
import type { FolderRef, ListedFolder, Method } from '../../rpc/schema.ts'
import { withAnyFolder, withFolder } from '../arguments.ts'
import type { Command } from '../context.ts'
import { shortId, table } from '../format.ts'
import { printable } from '../output.ts'

export const remove: Command<[folder: string]> = async (context, name) => {
  const client = await context.daemon()
  const { folder } = await withFolder(context.cwd, name, (exact) => client.call('folders.remove', { folder: exact }))
  context.out.document({ folder })
  context.out.line(`${printable(folder.name)} is not synced on this device any more; its files stay in ${printable(folder.path)}.`)
}

export const list: Command<[options: { readonly keys?: boolean }]> = async (context, options) => {
  const { out } = context
  const client = await context.daemon()
  const { folders } = await client.call('folders.list', options.keys === true ? { keys: true } : {})
  out.document({ folders })
  if (folders.length === 0) out.line('No folders yet; watch one with `p2psync add PATH`.')
  for (const row of table(folders.map(cells))) out.line(row)
  if (options.keys === true) for (const folder of folders) keys(folder).forEach((row) => out.line(row))
}

function cells(folder: ListedFolder): string[] {
  const elsewhere = folder.devices.length === 0 ? 'on no device any more' : `not on this device; \`p2psync add PATH --join ${shortId(folder.id)}\``
  const where = folder.path === null ? elsewhere : printable(folder.path)
  return [shortId(folder.id), printable(folder.name), folder.state ?? '-', where]
}

function keys(folder: ListedFolder): string[] {
  const drives = folder.drives ?? []
  return ['', `${printable(folder.name)}  ${folder.id}`, ...drives.flatMap((drive) => [`  device ${drive.device}`, `    key            ${drive.key}`, `    encryption key ${drive.encryptionKey}`])]
}

export const pause = several('folders.pause', 'is paused')
export const resume = several('folders.resume', 'goes on')
export const scan = several('folders.scan', 'was read again', ({ id, state }) => {
  if (state === 'paused') return `is paused and was not read; \`p2psync resume ${shortId(id)}\` goes on`
  return state === 'halted' ? `is halted and was not read; \`p2psync status ${shortId(id)}\` says why` : null
})

function several(method: Extract<Method, 'folders.pause' | 'folders.resume' | 'folders.scan'>, done: string, undone: (folder: FolderRef) => string | null = () => null): Command<[folder: string | undefined]> {
  return async (context, folder) => {
    const client = await context.daemon()
    const { folders } = await withAnyFolder(context.cwd, folder, (params) => client.call(method, params))
    context.out.document({ folders })
    if (folders.length === 0) context.out.line('There are no folders on this device.')
    for (const each of folders) context.out.line(line(each, undone(each) ?? done))
  }
}

function line(folder: FolderRef, done: string): string {
  return `${printable(folder.name)} ${done}.`
}
