/**
 * The daemon as a process: environment, priority, exit code. `--background`: log to the state directory instead of standard error. A start that
 * fails prints one sentence on standard error and exits 1. Loads little itself: the folders are looked at while the rest is loaded.
 */
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { messageOf, P2psyncError } from '../base/errors.ts'
import { resolvePaths } from '../base/paths.ts'
import { lookEarly } from './early.ts'
import { giveWay } from './low-priority.ts'
import { optimizeLater } from './tiering.ts'

/** Rejects if the daemon cannot start (a P2psyncError says why); else resolves with the exit code once it has stopped. */
export async function runDaemon({ background }: { readonly background: boolean }): Promise<number> {
  giveWay()
  optimizeLater()
  refuseUnsafeTest(process.env)
  const paths = resolvePaths()
  const early = lookEarly(paths)
  const { run } = await import('./run.ts')
  return await run({ paths, background, early })
}

/** Ends the process; nothing that the daemon left open keeps it. */
export async function endDaemon(code: number): Promise<never> {
  const { exitWith } = await import('./last-resort.ts')
  return await exitWith(code)
}

/** One line that the starting command reads: `{"error":{"code","message"},"pid"}`. */
async function main(): Promise<number> {
  try {
    return await runDaemon({ background: process.argv.includes('--background') })
  } catch (error) {
    const code = error instanceof P2psyncError ? error.code : 'INTERNAL'
    process.stderr.write(`${JSON.stringify({ error: { code, message: messageOf(error) }, pid: process.pid })}\n`)
    return 1
  }
}

/** A test must never reach the public DHT or send multicast. */
function refuseUnsafeTest(env: NodeJS.ProcessEnv): void {
  if (env['P2PSYNC_TEST'] !== '1' || (env['P2PSYNC_BOOTSTRAP'] && env['P2PSYNC_LAN'])) return
  throw new P2psyncError('UNSAFE_TEST', 'P2PSYNC_TEST=1 needs P2PSYNC_BOOTSTRAP and P2PSYNC_LAN to be set, so that a test reaches no public network')
}

function startedDirectly(): boolean {
  const script = process.argv[1]
  return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)
}

if (startedDirectly()) await endDaemon(await main())
