/** `p2psync events`: until interrupted, or until the daemon stops (exit 3). */
import { P2psyncError } from '../../base/errors.ts'
import type { DaemonEvent } from '../../rpc/schema.ts'
import type { Command } from '../context.ts'
import { bytes, counted, shortId } from '../format.ts'
import { printable } from '../output.ts'

export const events: Command<[]> = async (context) => {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  process.once('SIGTERM', () => stop.abort())
  const client = await context.daemon()
  try {
    for await (const event of client.events({ signal: stop.signal })) {
      context.out.record(event)
      context.out.line(`${event.time.slice(11, 19)}  ${describe(event)}`)
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  if (!stop.signal.aborted) throw new P2psyncError('NOT_RUNNING', 'the daemon stopped')
}

function describe(event: DaemonEvent): string {
  switch (event.type) {
    case 'folder-state':
      return `${printable(event.name)} ${event.state}${event.reason === null ? '' : `: ${printable(event.reason.message)}`}`
    case 'progress':
      return `${shortId(event.folder)} needs ${counted(event.need.files, 'file')}, ${bytes(event.need.bytes)}`
    case 'peer':
      return `${printable(event.device.name)} ${event.connected ? 'connected' : 'went away'}`
    case 'changes':
      return `${shortId(event.folder)} ${event.origin}: ${changes(event)}`
    case 'conflict':
      return `${shortId(event.folder)} conflict at ${printable(event.path)}, copy ${printable(event.copy)}`
    case 'problem':
      return `${shortId(event.folder)} ${printable(event.path)}: ${printable(event.message)}`
    case 'group':
      return 'the group changed'
    case 'gap':
      return 'some events were missed'
    default:
      return printable((event satisfies never as DaemonEvent).type)
  }
}

function changes(event: Extract<DaemonEvent, { type: 'changes' }>): string {
  const listed = event.changes.map((change) => `${change.action} ${printable(change.path)}`)
  return [...listed, ...(event.more > 0 ? [`${event.more} more`] : [])].join(', ')
}
