/** `p2psync ignore` */
import { resolve } from 'node:path'
import { P2psyncError } from '../../base/errors.ts'
import { withFolder } from '../arguments.ts'
import type { Command, Context } from '../context.ts'
import { printable } from '../output.ts'

export const ignore: Command<[folder: string | undefined, patterns: readonly string[], options: { readonly check?: string }]> = async (context, folder, patterns, options) => {
  if (options.check !== undefined) return check(context, options.check)
  if (folder === undefined) throw new P2psyncError('USAGE', 'name a folder, or a path with --check')
  const client = await context.daemon()
  const add = patterns.length === 0 ? {} : { add: [...patterns] }
  const result = await withFolder(context.cwd, folder, (exact) => client.call('folders.ignore', { folder: exact, ...add }))
  context.out.document(result)
  if (result.patterns.length === 0) context.out.line(`${printable(result.folder.name)} ignores nothing; add a pattern with \`p2psync ignore FOLDER PATTERN\`.`)
  for (const pattern of result.patterns) context.out.line(printable(pattern))
  for (const { path, message } of result.problems) context.out.warn(`${path}: ${message}`)
}

async function check(context: Context, path: string): Promise<void> {
  const result = await (await context.daemon()).call('folders.ignored', { path: resolve(context.cwd, path) })
  context.out.document(result)
  const shown = printable(result.path)
  if (!result.ignored) context.out.line(`${shown} is synced.`)
  else context.out.line(`${shown} is ignored${result.rule === null ? '' : ` by the rule ${printable(result.rule)}`}.`)
}
