/** `p2psync doctor [FOLDER --check [--repair]]` */
import { P2psyncError } from '../../base/errors.ts'
import type { CheckResult, DoctorCheck } from '../../rpc/schema.ts'
import { withFolder } from '../arguments.ts'
import type { Command, Context } from '../context.ts'
import { EXIT } from '../exit-code.ts'
import { bytes, counted, table } from '../format.ts'
import { printable, type Output, type Style } from '../output.ts'

interface Options {
  readonly check?: boolean
  readonly repair?: boolean
}

const SHOWN_FINDINGS = 50

export const doctor: Command<[folder: string | undefined, options: Options]> = async (context, folder, options) => {
  if (options.repair === true && options.check !== true) throw new P2psyncError('USAGE', '--repair goes with --check; see `p2psync doctor --help`')
  if ((options.check === true) !== (folder !== undefined)) throw new P2psyncError('USAGE', 'a folder and --check go together: `p2psync doctor FOLDER --check`, or `p2psync doctor` alone')
  return folder === undefined ? await examine(context) : await check(context, folder, options.repair === true)
}

const STATE_STYLE: Readonly<Record<DoctorCheck['state'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red', unknown: 'dim' }

async function examine(context: Context): Promise<number> {
  const { out } = context
  const { checks } = await (await context.daemon()).call('daemon.doctor', {})
  out.document({ checks })
  for (const row of table(checks.map(({ name, state, message }) => [out.style(STATE_STYLE[state], state.padEnd('unknown'.length)), printable(name), printable(message)]))) out.line(row)
  return checks.some(({ state }) => state === 'fail') ? EXIT.failed : EXIT.done
}

async function check(context: Context, folder: string, repair: boolean): Promise<number> {
  const client = await context.daemon()
  const result = await withFolder(context.cwd, folder, (exact) => client.call('folders.check', { folder: exact, repair }))
  context.out.document(result)
  for (const line of describe(context.out, result, repair)) context.out.line(line)
  if (result.left === 0) return EXIT.done
  return result.folder.state === 'decision' ? EXIT.decision : EXIT.failed
}

function describe(out: Output, { folder, checked, findings, left, busy }: CheckResult, repair: boolean): string[] {
  const lines = findings.slice(0, SHOWN_FINDINGS).map(({ path, message, repaired }) => `${repaired ? out.style('green', 'mended') : out.style('red', 'wrong ')}  ${path === '' ? '' : `${printable(path)}: `}${printable(message)}`)
  if (findings.length > lines.length) lines.push(`and ${counted(findings.length - lines.length, 'more finding')}; see --json`)
  lines.push(`${printable(folder.name)}: ${counted(checked.paths, 'path')}, ${counted(checked.files, 'file')}, ${bytes(checked.bytes)}, ${counted(checked.blocks, 'block')}, ${counted(checked.history, 'old version')} and ${counted(checked.statements, 'statement')} of other devices checked.`)
  if (busy > 0) lines.push(`${counted(busy, 'path')} changed while it was looked at and ${busy === 1 ? 'is' : 'are'} left out.`)
  if (left === 0) lines.push(findings.length === 0 ? out.style('green', 'Nothing is wrong.') : out.style('green', 'All of it is mended.'))
  else lines.push(out.style('red', `${counted(left, 'finding')} ${left === 1 ? 'is' : 'are'} left.${repair ? '' : ' `--repair` rebuilds what can be rebuilt and deletes nothing.'}`))
  return lines
}
