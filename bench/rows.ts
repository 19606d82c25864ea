/** The rows of the table, and what is wanted of each: the figures of issue 4 as data. */

export type Unit = 'MiB/s' | 'files/s' | 's' | 'ms' | 'bytes' | 'MB' | '%'

export interface Row {
  readonly id: string
  readonly name: string
  readonly unit: Unit
  readonly better: 'higher' | 'lower'
  /** So many times as good as the other product in the same run. */
  readonly ratio?: number
  /** No worse than this, whatever the other product does; `given`: it depends on the data, and the workload states it. */
  readonly limit?: number | 'given'
  /** What issue 4 quotes of Syncthing 1.29.5, on another machine of two cores; of a range the better end. */
  readonly quoted?: number
}

const MIB = 1024 * 1024

export const ROWS = [
  { id: 'large.new', name: '1 GiB file, new', unit: 'MiB/s', better: 'higher', ratio: 2.5, quoted: 66 },
  { id: 'large.overwrite', name: '1 MiB overwritten inside it', unit: 's', better: 'lower', ratio: 5, quoted: 13.8 },
  { id: 'large.overwrite.wire', name: '  on the wire', unit: 'bytes', better: 'lower', limit: 4 * MIB },
  { id: 'large.insert', name: '1 MiB inserted at its start', unit: 's', better: 'lower', ratio: 5, quoted: 13.8 },
  { id: 'large.insert.wire', name: '  on the wire', unit: 'bytes', better: 'lower', limit: 4 * MIB },
  { id: 'large.rename', name: 'the 1 GiB file renamed', unit: 's', better: 'lower', ratio: 10, quoted: 3.5 },
  { id: 'large.rename.wire', name: '  on the wire', unit: 'bytes', better: 'lower', limit: 256 * 1024 },
  { id: 'large.store', name: 'store beyond it, on one device', unit: 'bytes', better: 'lower', limit: 'given', quoted: 0.3 * MIB },
  { id: 'small10.new', name: '10,000 files of 4 KiB, new', unit: 'files/s', better: 'higher', ratio: 3, quoted: 940 },
  { id: 'small10.rename', name: 'their directory renamed', unit: 's', better: 'lower', ratio: 10, quoted: 12 },
  { id: 'small10.store', name: 'store beyond them, on one device', unit: 'bytes', better: 'lower', limit: 'given' },
  { id: 'small10.idle-memory', name: 'memory with 10,000 files, idle', unit: 'MB', better: 'lower', limit: 150, quoted: 100 },
  { id: 'small10.peak-memory', name: 'memory with 10,000 files, peak', unit: 'MB', better: 'lower', limit: 300, quoted: 147 },
  { id: 'idle.processor', name: 'idle processor, of a core', unit: '%', better: 'lower', limit: 0.1, quoted: 0.05 },
  { id: 'idle.written', name: 'written to disk while idle', unit: 'bytes', better: 'lower', limit: 0 },
  { id: 'delete', name: '10,000 of 30,000 files deleted', unit: 's', better: 'lower', ratio: 3, quoted: 3.0 },
  { id: 'latency.new', name: 'one small file, new (median)', unit: 'ms', better: 'lower', limit: 10, quoted: 5 },
  { id: 'latency.edit', name: 'one small file, edited in place (median)', unit: 'ms', better: 'lower' },
  { id: 'small100.new', name: '100,000 files of 4 KiB, new', unit: 'files/s', better: 'higher', ratio: 3, quoted: 554 },
  { id: 'small100.rename', name: 'their directory renamed', unit: 's', better: 'lower', ratio: 20, quoted: 213 },
  { id: 'small100.store', name: 'store beyond them, on one device', unit: 'bytes', better: 'lower', limit: 'given' },
  { id: 'small100.idle-memory', name: 'memory with 100,000 files, idle', unit: 'MB', better: 'lower', limit: 200, quoted: 157 },
  { id: 'small100.peak-memory', name: 'memory with 100,000 files, peak', unit: 'MB', better: 'lower', limit: 400, quoted: 316 },
  { id: 'start.idle', name: 'start with 100,000 unchanged files, until idle', unit: 's', better: 'lower', limit: 3 },
  { id: 'start.noticed', name: 'a file changed 1 s after the start, until it arrives', unit: 's', better: 'lower', limit: 3 },
  { id: 'million.new', name: '1,000,000 files of 4 KiB, new', unit: 'files/s', better: 'higher' },
  { id: 'million.store', name: 'store beyond them, on one device', unit: 'bytes', better: 'lower', limit: 'given' },
  { id: 'million.idle-memory', name: 'memory with 1,000,000 files, idle', unit: 'MB', better: 'lower', limit: 400 },
  { id: 'million.peak-memory', name: 'memory with 1,000,000 files, peak', unit: 'MB', better: 'lower', limit: 800 }
] as const satisfies readonly Row[]

export type RowId = (typeof ROWS)[number]['id']

export interface Value {
  readonly value: number
  /** Where the row's limit depends on the data. */
  readonly limit?: number
}

/** Row → product → what was measured. */
export type Results = Readonly<Record<string, Readonly<Record<string, Value>>>>

export interface Judged {
  readonly row: Row
  readonly own: Value | null
  readonly peer: Value | null
  /** How many times as good as the other product; null if one of them is missing. */
  readonly ratio: number | null
  /** Null: cannot be told without the other product, nothing is wanted, or it was not measured. */
  readonly reached: boolean | null
  /** The same against the figure. */
  readonly quotedRatio: number | null
  readonly reachedQuoted: boolean | null
}

export function judge(row: Row, values: Readonly<Record<string, Value>> | undefined): Judged {
  const own = values?.['p2psync'] ?? null
  const peer = values?.['syncthing'] ?? null
  const ratio = own === null || peer === null ? null : ratioOf(row, own.value, peer.value)
  const quotedRatio = own === null || row.quoted === undefined ? null : ratioOf(row, own.value, row.quoted)
  return { row, own, peer, ratio, quotedRatio, reached: reachedBy(row, own, ratio), reachedQuoted: reachedBy(row, own, quotedRatio) }
}

function ratioOf(row: Row, own: number, other: number): number {
  return row.better === 'higher' ? own / other : other / own
}

function reachedBy(row: Row, own: Value | null, ratio: number | null): boolean | null {
  if (own === null) return null
  const limit = row.limit === 'given' ? own.limit : row.limit
  if (limit !== undefined) return row.better === 'higher' ? own.value >= limit : own.value <= limit
  return row.ratio === undefined || ratio === null ? null : ratio >= row.ratio
}

/** Half a percent of the data and 1.5 KB per file and device of the folder, of which there are two. */
export function storeLimit(files: number, bytes: number): number {
  return bytes * 0.005 + files * 1500 * 2
}
