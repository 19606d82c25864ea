/**
 * Two real daemons on loopback: how fast trees and edits get from one to the other. Prints a table and a JSON document. Every
 * workload ends with both trees equal by hash, or the bench fails. Options: --quick (small sizes, to try the bench itself).
 */
import { rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createPair, type Device, type Scope } from '../test/e2e/harness.ts'
import { projectRoot } from '../test/project-root.ts'
import { memoryOf, sizeOf } from './measure.ts'
import { workloads, type Measured, type Sizes } from './workloads.ts'

const MIB = 1024 * 1024
const full: Sizes = { largeBytes: 1024 * MIB, smallFiles: 10_000, editBytes: MIB, latencyRounds: 20, nodeModules: join(projectRoot, 'node_modules') }
const quick: Sizes = { ...full, largeBytes: 32 * MIB, smallFiles: 500, latencyRounds: 5, nodeModules: join(projectRoot, 'node_modules', 'zod') }

interface Report {
  readonly schema: 1
  readonly workloads: readonly Measured[]
  readonly daemons: Readonly<Record<string, { readonly peakBytes: number; readonly residentBytes: number; readonly storeBytes: number }>>
}

await main(process.argv.includes('--quick') ? quick : full)

async function main(sizes: Sizes): Promise<void> {
  const directory = join(projectRoot, '.build', `bench-${process.pid}`)
  const ends: (() => unknown)[] = []
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const scope: Scope = {
    tmp: async () => {
      await mkdir(directory, { recursive: true })
      return directory
    },
    teardown: (run) => ends.push(run)
  }
  try {
    const [a, b] = await createPair(scope)
    const measured: Measured[] = []
    for (const workload of workloads) {
      const row = await workload(a, b, sizes)
      console.log(line(row))
      measured.push(row)
    }
    const report: Report = { schema: 1, workloads: measured, daemons: { sender: await daemon(a), receiver: await daemon(b) } }
    for (const [name, use] of Object.entries(report.daemons)) {
      console.log(`${name.padEnd(32)} peak ${mib(use.peakBytes)}, now ${mib(use.residentBytes)}, store ${mib(use.storeBytes)}`)
    }
    console.log(JSON.stringify(report))
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

async function daemon(device: Device): Promise<Report['daemons'][string]> {
  return { ...(await memoryOf(device.pid)), storeBytes: await sizeOf(join(device.home, 'state')) }
}

function line(row: Measured): string {
  const rate = [row.bytesPerSecond === null ? null : `${mib(row.bytesPerSecond)}/s`, row.filesPerSecond === null ? null : `${Math.round(row.filesPerSecond)} files/s`]
  return `${row.name.padEnd(32)} ${`${row.ms.toFixed(0)} ms`.padStart(10)}  ${rate.filter((part) => part !== null).join(', ')}`
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}
