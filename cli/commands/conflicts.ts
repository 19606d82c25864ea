/** `p2psync conflicts` */
import type { Conflict, DeviceRef } from '../../rpc/schema.ts'
import { withAnyFolder } from '../arguments.ts'
import type { Command } from '../context.ts'
import { bytes, distinctName } from '../format.ts'
import type { Output } from '../output.ts'
import { printable } from '../output.ts'

export const conflicts: Command<[folder: string | undefined]> = async (context, folder) => {
  const client = await context.daemon()
  const found = await withAnyFolder(context.cwd, folder, (params) => client.call('folders.conflicts', params))
  context.out.document(found)
  if (found.conflicts.length === 0) context.out.line('No conflicts.')
  for (const conflict of found.conflicts) describe(context.out, conflict, authors(found.conflicts))
  if (found.conflicts.length > 0) context.out.line('Keep what you want with `p2psync resolve PATH --keep this|other|both`, or edit, rename or delete either file; every device follows.')
}

function authors(conflicts: readonly Conflict[]): DeviceRef[] {
  return conflicts.flatMap((conflict) => [conflict.this?.device ?? [], conflict.other.device ?? []].flat())
}

function describe(out: Output, conflict: Conflict, devices: readonly DeviceRef[]): void {
  out.line(out.style('bold', printable(conflict.path)))
  out.line(`  this   ${conflict.this === null ? 'deleted' : versionText(conflict.this, devices)}`)
  out.line(`  other  ${versionText(conflict.other, devices)}`)
  out.line(`         ${printable(conflict.copy)}`)
}

function versionText(version: Conflict['other'], devices: readonly DeviceRef[]): string {
  const size = version.kind === 'file' ? bytes(version.size) : version.kind
  const when = version.mtime === null ? '' : `, changed ${version.mtime.replace('T', ' ').slice(0, 19)} UTC`
  return `${size}${when}${version.device === null ? '' : ` on ${printable(distinctName(version.device, devices))}`}`
}
