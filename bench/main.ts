/**
 * Two devices on loopback: how fast trees and edits get from one to the other, and what that takes. The same for Syncthing if there
 * is one on the PATH, on the same files in the same run. Every workload ends with both trees equal by hash, or the bench fails.
 *
 *     npm run bench -- [--full] [--million] [--quick] [--only NAME,…] [--products p2psync,syncthing] [--json FILE]
 *
 * `--only` names groups (large, small10, delete, latency, small100, million, limits). Results of several runs of one commit add up
 * in the JSON file. It runs in a network namespace of its own where it may make one.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { projectRoot } from '../test/project-root.ts'
import { MIB } from './files.ts'
import type { Group, Sizes } from './group.ts'
import { deletion } from './groups/delete.ts'
import { large } from './groups/large.ts'
import { latency } from './groups/latency.ts'
import { million, small10, small100 } from './groups/small.ts'
import { measureLimits } from './limits.ts'
import { openP2psync } from './p2psync.ts'
import type { OpenPair } from './pair.ts'
import { machine, print, type Report } from './report.ts'
import type { Value } from './rows.ts'
import { hasSyncthing, openSyncthing } from './syncthing.ts'

const FULL: Sizes = {
  largeBytes: 1024 * MIB, editBytes: MIB, small10: 10_000, small100: 100_000, million: 1_000_000, deleteOf: 30_000, deleted: 10_000,
  latencyRounds: 25, idleSeconds: 60, settleSeconds: 60
}
const QUICK: Sizes = {
  largeBytes: 32 * MIB, editBytes: MIB / 8, small10: 500, small100: 2000, million: 5000, deleteOf: 600, deleted: 200,
  latencyRounds: 5, idleSeconds: 5, settleSeconds: 10
}
const GROUPS: readonly Group[] = [large, small10, deletion, latency, small100, million]
const ISOLATED = 'P2PSYNC_BENCH_ISOLATED'

const { values: options } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    million: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    products: { type: 'string' },
    json: { type: 'string' }
  }
})

if (process.env[ISOLATED] === undefined) process.exit(isolate())
await main()

/** This command again in a network namespace with nothing but its own loopback, or as it is where that is not allowed. */
function isolate(): number {
  const command = [process.execPath, ...process.argv.slice(1)]
  const allowed = spawnSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up']).status === 0
  const [program = '', ...args] = allowed ? ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'bench', ...command] : command
  return spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, [ISOLATED]: allowed ? 'yes' : 'no' } }).status ?? 1
}

async function main(): Promise<void> {
  const directory = join(projectRoot, '.build', `b${process.pid}`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  process.setMaxListeners(50) // Each process that is started is ended with this one.
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const products = chosenProducts()
  let report = startReport()
  let pairs = 0
  for (const group of chosenGroups()) {
    for (const [name, open] of products) {
      // They go in the end only: ext4 looks for a free inode beside those deleted within the last minutes for many times as long.
      report = await runGroup(report, group, name, open, join(directory, String(pairs++)))
      save(report)
    }
  }
  if (wants('limits')) report = { ...report, limits: await measureLimits(join(directory, 'limits'), options.quick) }
  save(report)
  console.log(`\n${print(report)}`)
}

async function runGroup(report: Report, group: Group, product: string, open: OpenPair, directory: string): Promise<Report> {
  mkdirSync(directory, { recursive: true })
  const pair = await open(directory)
  const measured: Record<string, Value> = {}
  try {
    const record = (row: string, value: number, limit?: number): void => {
      measured[row] = limit === undefined ? { value } : { value, limit }
      console.log(`${product.padEnd(9)} ${row.padEnd(24)} ${value.toFixed(3)}`)
    }
    await group.run({ pair, sizes: options.quick ? QUICK : FULL, record })
  } finally {
    await pair.close()
  }
  const results = { ...report.results }
  for (const [row, value] of Object.entries(measured)) results[row] = { ...results[row], [product]: value }
  return { ...report, results, versions: { ...report.versions, [product]: pair.version } }
}

function chosenProducts(): readonly (readonly [string, OpenPair])[] {
  const known: readonly (readonly [string, OpenPair])[] = hasSyncthing() ? [['p2psync', openP2psync], ['syncthing', openSyncthing]] : [['p2psync', openP2psync]]
  const wanted = options.products?.split(',')
  return known.filter(([name]) => wanted === undefined || wanted.includes(name))
}

function chosenGroups(): readonly Group[] {
  return GROUPS.filter((group) => wants(group.name, group.needs))
}

function wants(name: string, needs?: 'full' | 'million'): boolean {
  const only = options.only?.split(',')
  if (only !== undefined) return only.includes(name)
  return needs === undefined || options[needs]
}

function startReport(): Report {
  const fresh: Report = { schema: 2, commit: commit(), machine: machine(), quick: options.quick, isolated: process.env[ISOLATED] === 'yes', versions: {}, results: {}, limits: [] }
  if (options.json === undefined || !existsSync(options.json)) return fresh
  const before = JSON.parse(readFileSync(options.json, 'utf8')) as Report
  const goesOn = before.schema === fresh.schema && before.commit === fresh.commit && before.machine === fresh.machine && before.quick === fresh.quick
  return goesOn ? { ...before, isolated: before.isolated && fresh.isolated } : fresh
}

function save(report: Report): void {
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
}

function commit(): string {
  try {
    return execFileSync('git', ['-C', projectRoot, 'describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
