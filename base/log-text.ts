/** A log line as people read it on a terminal. Apart from log.ts, so that the command need not load the logger. */

const LEVEL_NAMES: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info ', 40: 'warn ', 50: 'error' }

/** `10:21:04 info  message  key=value`; values stay JSON, so that a name cannot forge a line or move the cursor. Other lines as they are. */
export function readableLine(line: string): string {
  const fields = parse(line)
  if (fields === null) return line
  const { level, time, msg, ...rest } = fields
  const clock = typeof time === 'string' ? time.slice(11, 19) : ''
  const values = Object.entries(rest).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
  return `${clock} ${LEVEL_NAMES[Number(level)] ?? String(level)} ${String(msg)} ${values.join('')}`.trimEnd()
}

function parse(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{"level":')) return null
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return null // cut off
  }
}
