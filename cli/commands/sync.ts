/** `p2psync sync`: the answer scripts rely on (R38, R39). */
import type { ErrorCode } from '../../base/errors.ts'
import type { Client } from '../../rpc/client.ts'
import type { Result, SyncOutcome } from '../../rpc/schema.ts'
import { parseDuration, withAnyFolder } from '../arguments.ts'
import type { Command } from '../context.ts'
import { EXIT_OF_OUTCOME } from '../exit-code.ts'
import { distinctName } from '../format.ts'
import type { Output } from '../output.ts'
import { printable } from '../output.ts'
import { followSync } from '../progress.ts'

export const sync: Command<[folder: string | undefined, options: { readonly timeout: string }]> = async (context, folder, options) => {
  const timeoutMs = parseDuration(options.timeout, '--timeout')
  const client = await context.daemon()
  const result = await withAnyFolder(context.cwd, folder, async (params) => {
    const done = new AbortController()
    // A failure to show progress is no failure to sync.
    const shown = context.out.interactive ? followSync(context, client, params.folder ?? null, done.signal).catch(() => undefined) : Promise.resolve()
    try {
      return await client.call('folders.sync', { ...params, timeoutMs })
    } finally {
      done.abort()
      await shown
    }
  })
  context.out.document(result)
  if (result.ok && !context.out.json && folder === undefined && (await hasNone(client))) context.out.line('There are no folders on this device, so there is nothing to sync; watch one with `p2psync add PATH`.')
  else tell(context.out, result, context.out.json || result.paused.length === 0 ? null : (await client.call('status.get', {})).device.id)
  return EXIT_OF_OUTCOME[result.outcome]
}

async function hasNone(client: Client): Promise<boolean> {
  return (await client.call('folders.list')).folders.every((each) => each.path === null)
}

type SyncResult = Result<'folders.sync'>

/** `self`: this device, known where one has paused. */
function tell(out: Output, result: SyncResult, self: string | null): void {
  const others = [...result.absent, ...result.paused]
  const absent = result.absent.map((device) => printable(distinctName(device, others)))
  const paused = result.paused.filter((device) => device.id !== self).map((device) => printable(distinctName(device, others)))
  if (result.ok) out.line(out.style('green', absent.length + paused.length === 0 ? 'In sync.' : 'In sync with every connected device.'))
  else out.error({ code: CODE[result.outcome], message: sentence(result) })
  if (absent.length > 0) out.line(`Not connected: ${absent.join(', ')}`)
  if (result.paused.some((device) => device.id === self) && result.reason?.code !== 'paused') out.line('Paused on this device; `p2psync resume` goes on')
  if (paused.length > 0) out.line(`Paused: ${paused.join(', ')}; \`p2psync resume\` there goes on`)
  for (const { path, message } of result.blocked) out.line(`  ${printable(path)}: ${printable(message)}`)
}

const CODE: Readonly<Record<SyncOutcome, ErrorCode>> = {
  'in-sync': 'INTERNAL',
  blocked: 'NOT_IN_SYNC',
  timeout: 'TIMEOUT',
  'no-peers': 'NO_PEERS',
  halted: 'FOLDER_HALTED',
  decision: 'NEEDS_DECISION',
}

function sentence(result: SyncResult): string {
  const waits = result.blocked.filter(({ code }) => code === 'unavailable').length
  switch (result.outcome) {
    case 'blocked':
      return `in sync but for ${result.blocked.length} paths that cannot be applied; see \`p2psync status\``
    case 'timeout':
      if (waits > 0) return `not in sync: ${waits === 1 ? 'a path waits' : `${waits} paths wait`} for bytes that no connected device can give; connect one that has them`
      return 'not in sync before the time-out; it goes on in the background, `p2psync status` shows how far it is'
    case 'no-peers':
      return 'not in sync: no device that has the folder is connected'
    default:
      return result.reason?.message ?? `not in sync: ${result.outcome}; see \`p2psync status\``
  }
}
