/** The table as text and as JSON. */
import { cpus, release, totalmem } from 'node:os'
import { judge, ROWS, type Judged, type Results, type Row, type Unit, type Value } from './rows.ts'

export interface Limit {
  readonly name: string
  readonly value: number
  readonly unit: Unit
}

export interface Report {
  readonly schema: 2
  readonly commit: string
  readonly machine: string
  readonly quick: boolean
  /** The wire was this bench's alone. */
  readonly isolated: boolean
  readonly versions: Readonly<Record<string, string>>
  readonly results: Results
  readonly limits: readonly Limit[]
}

export function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`
}

export function print(report: Report): string {
  const judged = ROWS.map((row) => judge(row, report.results[row.id])).filter(({ own, peer }) => own !== null || peer !== null)
  const lines = judged.map((one) => [one.row.name, format(one.own, one.row.unit), format(one.peer, one.row.unit), times(one.ratio), wanted(one), answer(one.reached, one.row), quoted(one), times(one.quotedRatio), answer(one.reachedQuoted, one.row)])
  const head = ['', `p2psync ${report.versions['p2psync'] ?? ''}`, `Syncthing ${report.versions['syncthing'] ?? '-'}`, 'ratio', 'wanted', 'reached', 'issue’s Syncthing', 'ratio', 'reached']
  const limits = report.limits.map((limit) => [limit.name, format(limit, limit.unit)])
  return [table([head, ...lines]), limits.length === 0 ? '' : `\n${table(limits)}`, `\n${report.machine}; commit ${report.commit}${report.quick ? '; QUICK sizes' : ''}${report.isolated ? '' : '; the loopback was shared with others'}`].join('')
}

function times(ratio: number | null): string {
  return ratio === null || !Number.isFinite(ratio) ? '' : `${ratio.toFixed(ratio < 10 ? 2 : 0)}×`
}

function quoted({ row }: Judged): string {
  return row.quoted === undefined ? '' : format({ value: row.quoted }, row.unit)
}

function wanted({ row, own }: Judged): string {
  const limit = row.limit === 'given' ? own?.limit : row.limit
  if (limit !== undefined) return `${row.better === 'higher' ? '≥' : '≤'} ${format({ value: limit }, row.unit)}`
  return row.ratio === undefined ? '' : `≥ ${row.ratio}×`
}

function answer(reached: boolean | null, row: Row): string {
  if (reached !== null) return reached ? 'yes' : 'NO'
  return row.ratio === undefined ? '' : '?'
}

function format(value: Value | null, unit: Unit): string {
  if (value === null) return '-'
  if (unit === 'bytes') return bytes(value.value)
  return `${value.value.toFixed(digits(value.value))} ${unit}`
}

function digits(value: number): number {
  return value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0
}

function bytes(value: number): string {
  if (value < 10_000) return `${value} B`
  return value < 2 ** 20 ? `${(value / 1024).toFixed(0)} KiB` : `${(value / 2 ** 20).toFixed(2)} MiB`
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')).join('\n')
}
