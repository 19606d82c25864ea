/** `p2psync log`: the end of the daemon's log, wherever it goes. Starts no daemon. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { errnoOf, P2psyncError } from '../../base/errors.ts'
import { readableLine } from '../../base/log-text.ts'
import type { LogLevel } from '../../rpc/schema.ts'
import { parseCount } from '../arguments.ts'
import type { Command } from '../context.ts'
import { plainClient } from '../daemon-client.ts'
import { printable } from '../output.ts'
import { managedBy } from '../service.ts'

const MAX_READ_BYTES = 4 * 1024 * 1024
const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug']

export const log: Command<[options: { readonly lines: string; readonly level?: string }]> = async (context, options) => {
  const { out, paths } = context
  if (options.level !== undefined) {
    const level = LEVELS.find((each) => each === options.level)
    if (level === undefined) throw new P2psyncError('USAGE', `--level: ${options.level} is none of ${LEVELS.join(', ')}`)
    const now = await plainClient(context).call('log.level', { level })
    out.document(now)
    out.line(`The log level is ${now.level} until the daemon stops.`)
    return
  }
  const lines = lastLines(paths.logFile, parseCount(options.lines, '--lines'))
  out.document({ file: paths.logFile, lines })
  for (const line of lines) out.line(printable(readableLine(line)))
  const service = managedBy(context)
  if (service !== null) out.warn(`The service logs to the journal: journalctl ${service.system ? '' : '--user '}-u ${service.unit}`)
  else if (lines.length === 0) out.warn(`No log yet in ${paths.logFile}; a daemon in the foreground logs to its standard error.`)
}

function lastLines(file: string, count: number): string[] {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw new P2psyncError('PATH_DENIED', `cannot read the log ${file}`, { cause: error })
  }
  try {
    const size = fstatSync(fd).size
    const buffer = Buffer.alloc(Math.min(size, MAX_READ_BYTES))
    const read = readSync(fd, buffer, 0, buffer.length, size - buffer.length)
    return count === 0 ? [] : buffer.toString('utf8', 0, read).split('\n').filter((line) => line !== '').slice(-count)
  } finally {
    closeSync(fd)
  }
}
