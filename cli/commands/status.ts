/** `p2psync status [--watch]` */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../rpc/client.ts'
import type { FolderStatus, Need, StatusDocument } from '../../rpc/schema.ts'
import { withAnyFolder } from '../arguments.ts'
import type { Command, Context } from '../context.ts'
import { ago, bytes, counted, distinctName, shortId, table } from '../format.ts'
import type { Output, Style } from '../output.ts'
import { printable } from '../output.ts'

const WATCH_MS = 1000
const SHOWN_PROBLEMS = 5

export const status: Command<[folder: string | undefined, options: { readonly watch?: boolean }]> = async (context, folder, options) => {
  const client = await context.daemon()
  if (options.watch === true) return watch(context, client, folder)
  const document = await ask(context, client, folder)
  context.out.document(document)
  for (const line of describe(context.out, document, Date.now())) context.out.line(line)
}

function ask(context: Context, client: Client, folder: string | undefined): Promise<StatusDocument> {
  return withAnyFolder(context.cwd, folder, (params) => client.call('status.get', params))
}

/** Until interrupted; prints only what differs from before. */
async function watch(context: Context, client: Client, folder: string | undefined): Promise<void> {
  const { out } = context
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  process.once('SIGTERM', () => stop.abort())
  for (let before = ''; !stop.signal.aborted; ) {
    const document = await ask(context, client, folder)
    const text = out.json ? JSON.stringify(document) : describe(out, document, Date.now()).join('\n')
    if (text !== before) {
      out.clear()
      out.record(document)
      out.line(text)
    }
    before = text
    await sleep(WATCH_MS, undefined, { signal: stop.signal }).catch(() => undefined)
  }
}

/** The page for people. */
export function describe(out: Output, document: StatusDocument, now: number): string[] {
  const lines = [`${out.style('bold', printable(document.device.name))}  this device  ${out.style('dim', shortId(document.device.id))}`]
  if (document.reason !== null) lines.push(out.style('red', printable(sentence(document.reason.message))))
  lines.push(...deviceLines(out, document, now))
  for (const folder of document.folders) lines.push('', ...folderLines(out, folder, document, now))
  if (document.folders.length === 0 && document.reason === null) lines.push('', 'No folders on this device yet; watch one with `p2psync add PATH`.')
  const names = document.folders.map((folder) => folder.name)
  for (const name of new Set(names.filter((each, i) => names.indexOf(each) !== i))) {
    lines.push('', out.style('yellow', `Several folders are called ${printable(name)}; they are not one. Use their ids, shown by \`p2psync list\`.`))
  }
  return lines
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}

function deviceLines(out: Output, document: StatusDocument, now: number): string[] {
  const rows = document.devices.map((device) => {
    const how = device.connected ? `connected${device.transport === null ? '' : ` over ${device.transport}`}` : `away, last seen ${ago(device.lastSeen, now)}`
    return [nameOf(document, device.id), how, device.connected && device.address !== null ? printable(device.address) : '']
  })
  return table(rows).map((row, i) => (document.devices[i]?.connected === true ? row : out.style('dim', row)))
}

const STATE_STYLE: Readonly<Record<FolderStatus['state'], Style>> = { scanning: 'yellow', syncing: 'yellow', idle: 'green', paused: 'dim', halted: 'red', decision: 'red' }

function folderLines(out: Output, folder: FolderStatus, document: StatusDocument, now: number): string[] {
  const lines = [`${out.style('bold', printable(folder.name))}  ${printable(folder.path)}  ${out.style(STATE_STYLE[folder.state], folder.state)}`]
  // What keeps the whole device from syncing is said once, above.
  if (folder.reason !== null && folder.reason.code !== document.reason?.code) lines.push(`  ${out.style('red', printable(folder.reason.message))}`)
  lines.push(`  ${counted(folder.files, 'file')}, ${counted(folder.directories, 'directory')}, ${bytes(folder.bytes)}`)
  if (lacks(folder.need)) lines.push(`  to do here: ${needed(folder.need)}`)
  for (const device of folder.devices) lines.push(`  ${nameOf(document, device.id)} ${device.inSync ? 'is in sync' : lacks(device.need) ? `needs ${needed(device.need)}` : 'is not known to be in sync'}`)
  if (folder.conflicts > 0) lines.push(`  ${out.style('yellow', `${counted(folder.conflicts, 'conflict')}; see \`p2psync conflicts\``)}`)
  const notices = folder.notices.map(({ at, message }) => `  ${out.style('yellow', `${ago(at, now)}: ${printable(message)}`)}`)
  return [...lines, ...problemLines(out, folder), ...notices]
}

function problemLines(out: Output, folder: FolderStatus): string[] {
  const shown = folder.problems.slice(0, SHOWN_PROBLEMS).map((problem) => `  ${problem.path === '' ? '' : `${out.style('red', printable(problem.path))}: `}${printable(problem.message)}`)
  const more = folder.problems.length - shown.length
  return more > 0 ? [...shown, `  and ${counted(more, 'more problem')}; see \`p2psync status --json\``] : shown
}

function lacks(need: Need): boolean {
  return need.files + need.deletes + need.bytes > 0
}

function needed(need: Need): string {
  const parts = need.files > 0 ? [`${counted(need.files, 'file')} (${bytes(need.bytes)})`] : []
  if (need.deletes > 0) parts.push(counted(need.deletes, 'deletion'))
  return parts.length === 0 ? bytes(need.bytes) : parts.join(' and ')
}

function nameOf(document: StatusDocument, id: string): string {
  const device = document.devices.find((each) => each.id === id)
  return device === undefined ? shortId(id) : printable(distinctName(device, [document.device, ...document.devices]))
}
