/** `p2psync resolve`, `approve`, `reject`: what only the user can decide. */
import { resolve as resolvePath } from 'node:path'
import { P2psyncError } from '../../base/errors.ts'
import type { Result } from '../../rpc/schema.ts'
import { withFolder } from '../arguments.ts'
import type { Command } from '../context.ts'
import { counted } from '../format.ts'
import { printable } from '../output.ts'

type Keep = Result<'folders.resolve'>['keep']

export const resolve: Command<[path: string, options: { readonly keep?: string }]> = async (context, path, options) => {
  const keep = ['this', 'other', 'both'].find((word): word is Keep => word === options.keep)
  if (keep === undefined) throw new P2psyncError('USAGE', '--keep takes this (the bytes at the path), other (those of the copy) or both')
  const result = await (await context.daemon()).call('folders.resolve', { path: resolvePath(context.cwd, path), keep })
  const { out } = context
  out.document(result)
  const outcome = { this: 'keeps its bytes; the copy is in history', other: 'has the bytes of the copy; its own are in history', both: 'keeps its bytes' }[keep]
  out.line(`${printable(result.path)} ${outcome}.`)
  for (const { copy, at } of result.copies) if (keep === 'both' && at !== null) out.line(`  ${printable(copy)} is ${printable(at)} now`)
}

/** What the user deleted here (`here`) is in no history of this device. */
export const approve = decision('folders.approve', (count, name, { here }) => `${count} deleted in ${name}; ${here > 0 ? 'the history of other devices that had them' : 'history'} holds them for a while.`)
export const reject = decision('folders.reject', (count, name) => `${count} of ${name} stay or come back.`)

function decision(method: 'folders.approve' | 'folders.reject', sentence: (count: string, name: string, result: Result<'folders.approve'>) => string): Command<[folder: string]> {
  return async (context, folder) => {
    const client = await context.daemon()
    const result = await withFolder(context.cwd, folder, (exact) => client.call(method, { folder: exact }))
    context.out.document(result)
    context.out.line(sentence(counted(result.here + result.elsewhere, 'path'), printable(result.folder.name), result))
  }
}
