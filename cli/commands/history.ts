/** `p2psync history`, `restore`: versions of files, and how to get them back. */
import { resolve } from 'node:path'
import { P2psyncError } from '../../base/errors.ts'
import type { DeviceRef, FileVersion, Result } from '../../rpc/schema.ts'
import { parsePastTime, withFolder } from '../arguments.ts'
import type { Command, Context } from '../context.ts'
import { bytes, counted, distinctName, table } from '../format.ts'
import type { Output } from '../output.ts'
import { printable } from '../output.ts'

const SHOWN_MISSING = 10

export const history: Command<[path: string]> = async (context, path) => {
  const client = await context.daemon()
  const found = await client.call('folders.history', { path: resolve(context.cwd, path) })
  const { out } = context
  out.document(found)
  if (found.versions.length === 0) out.line(`No version of ${printable(found.path)} is held by this device or a connected one.`)
  for (const row of table(found.versions.map((version) => cells(version, devicesOf(found.versions))))) out.line(row)
  tellSilent(out, found.silent)
  if (found.versions.some((version) => !version.current)) out.line('To get one back: `p2psync restore PATH --version ID` (what stands there now goes to history), or with `--to PATH` beside it.')
}

function devicesOf(versions: readonly FileVersion[]): DeviceRef[] {
  return versions.flatMap((version) => [version.device ?? [], ...version.holders.map((each) => each.device)].flat())
}

function cells(version: FileVersion, devices: readonly DeviceRef[]): string[] {
  const who = version.device === null ? '' : `by ${printable(distinctName(version.device, devices))}`
  return [version.id, shortTime(version.mtime), version.kind === 'file' ? bytes(version.size) : version.kind, who, version.holders.map((each) => holder(each, devices)).join(', ')]
}

function holder({ device, at, reason }: FileVersion['holders'][number], devices: readonly DeviceRef[]): string {
  const name = printable(distinctName(device, devices))
  return at === null ? `now on ${name}` : `${reason} ${shortTime(at)} on ${name}`
}

function shortTime(time: string): string {
  return `${time.replace('T', ' ').slice(0, 19)} UTC`
}

interface RestoreOptions {
  readonly version?: string
  readonly at?: string
  readonly to?: string
}

export const restore: Command<[target: string, options: RestoreOptions]> = async (context, target, options) => {
  const { version, at, to } = options
  if ((version === undefined) === (at === undefined)) throw new P2psyncError('USAGE', 'restore takes either --version ID for one file, or --at TIME for a whole folder')
  if (version !== undefined) return await restoreFile(context, target, version, to)
  if (to === undefined) throw new P2psyncError('USAGE', 'restore --at needs --to DIR, a new directory outside of the folder')
  await restoreTree(context, target, parsePastTime(at ?? '', '--at', Date.now()), to)
}

async function restoreFile(context: Context, path: string, version: string, to: string | undefined): Promise<void> {
  const client = await context.daemon()
  const absolute = to === undefined ? {} : { to: resolve(context.cwd, to) }
  const result = await client.call('folders.restore', { path: resolve(context.cwd, path), version, ...absolute })
  context.out.document(result)
  context.out.line(`${printable(result.to)} has version ${result.version} again.`)
}

async function restoreTree(context: Context, folder: string, at: string, to: string): Promise<void> {
  const client = await context.daemon()
  const result = await withFolder(context.cwd, folder, (exact) => client.call('folders.restoreTree', { folder: exact, at, to: resolve(context.cwd, to), ...(exact.startsWith('/') ? { path: exact } : {}) }))
  const { out } = context
  out.document(result)
  out.line(`${printable(result.to)} holds ${counted(result.files, 'file')} (${bytes(result.bytes)}) of ${printable(result.folder.name)} as of ${shortTime(result.at)}, as far as known.`)
  tellMissing(out, result.missing)
  tellSilent(out, result.silent)
}

function tellMissing(out: Output, missing: Result<'folders.restoreTree'>['missing']): void {
  for (const { path, message } of missing.slice(0, SHOWN_MISSING)) out.line(`  ${out.style('red', printable(path))}: ${printable(message)}`)
  if (missing.length > SHOWN_MISSING) out.line(`  and ${counted(missing.length - SHOWN_MISSING, 'more file')}; see --json`)
}

function tellSilent(out: Output, silent: readonly { readonly name: string }[]): void {
  if (silent.length > 0) out.line(`Did not answer, or not in full: ${silent.map((device) => printable(device.name)).join(', ')}`)
}
