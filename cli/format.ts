/** Numbers, times and names as people read them. Pure. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Decimal units, three digits: `9.88 MB`. */
export function bytes(value: number): string {
  let unit = 0
  let rest = value
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000
    unit++
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2
  return `${rest.toFixed(digits)} ${UNITS[unit]}`
}

/** `1,234 files`, `1 file`, `2 directories`. */
export function counted(count: number, noun: string): string {
  const plural = noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`
  return `${number(count)} ${count === 1 ? noun : plural}`
}

export function number(value: number): string {
  return value.toLocaleString('en-US')
}

/** `45 s`, `3 min`, `2 h 5 min`, `4 days`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days`
}

/** `3 min ago`; `never` for null. */
export function ago(time: string | null, now: number): string {
  if (time === null) return 'never'
  return `${duration(now - Date.parse(time))} ago`
}

/** Enough of an id to tell and to type it. */
export function shortId(id: string): string {
  return id.slice(0, 8)
}

interface Named {
  readonly id: string
  readonly name: string
}

/** How a device is called among others: with its id where several have the name. Not yet printable. */
export function distinctName(device: Named, among: readonly Named[]): string {
  const doubled = among.some((other) => other.name === device.name && other.id !== device.id)
  return doubled ? `${device.name} (${shortId(device.id)})` : device.name
}

/** Rows with their columns padded; the last column is not. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)))
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ').trimEnd())
}
