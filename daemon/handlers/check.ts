/** `folders.check`: the checker of a folder (folder/check.ts), and the modes of our own state. */
import { P2psyncError } from '../../base/errors.ts'
import type { CheckResult, Handlers } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import type { CheckReport, Finding } from '../folder/check.ts'
import { TRUSTED } from '../own-drives.ts'
import { closeToOthers, openToOthers } from '../own-modes.ts'
import { hostOf, refOf } from './folders.ts'

type Part = Pick<Handlers, 'folders.check'>

const MAX_LISTED = 1000

export function checkHandlers(daemon: App): Part {
  return {
    'folders.check': async ({ folder, repair = false }, { signal }) => {
      const { id } = hostOf(daemon, folder)
      const modes = await checkModes(daemon, repair)
      const report = await check(daemon, id, repair, signal)
      const findings = [...modes, ...report.findings]
      return { folder: refOf(hostOf(daemon, id)), checked: report.checked, findings: listed(findings), left: findings.filter(({ repaired }) => !repaired).length, busy: report.busy }
    }
  }
}

/** What is left comes first. */
function listed(findings: readonly Finding[]): CheckResult['findings'] {
  return [...findings].sort((a, b) => Number(a.repaired) - Number(b.repaired)).slice(0, MAX_LISTED)
}

/** A damaged core is mended by a new drive (R14), and the rest is checked after that. */
async function check(daemon: App, id: string, repair: boolean, signal: AbortSignal): Promise<CheckReport> {
  const host = hostOf(daemon, id)
  const report = await host.folder.check(repair, signal)
  if (!report.coreDamaged || !repair) return report
  await daemon.rotateFolder(host.id, host.own.key, { reason: 'damaged', recovery: TRUSTED, writer: null })
  const reopened = daemon.hosts.get(host.id)
  if (reopened === undefined) throw new P2psyncError('STORE_DAMAGED', `the folder ${host.name} could not be opened with a new drive; p2psync log says why`)
  await reopened.folder.settled(signal)
  const again = await reopened.folder.check(repair, signal)
  const mended = report.findings.map((finding) => ({ ...finding, repaired: finding.repaired || !again.coreDamaged }))
  return { ...again, findings: [...mended, ...again.findings] }
}

async function checkModes(daemon: App, repair: boolean): Promise<Finding[]> {
  const { paths } = daemon.options
  const open = await openToOthers(paths)
  if (repair) await closeToOthers(open)
  const left = new Set(repair ? await openToOthers(paths) : open)
  return open.map((path) => ({ path, code: 'open-mode', message: `${path} can be read or entered by other users of this machine`, repaired: !left.has(path) }))
}
