/** What must stand on a device after a scenario, and where all its contents must be found. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { linkContent, sha256 } from '../chaos/ledger.ts'
import type { Scenario } from './scenario.ts'

const COPY = /^both\.sync-conflict-[a-z2-7]{10}$/

/** Sentences; none is good. `history`: hash → file, on all devices. */
export function judgeTree(root: string, scenario: Scenario, history: ReadonlyMap<string, string>): string[] {
  const found = readTree(root)
  const wrong: string[] = []
  for (const [path, content] of scenario.final) {
    const have = found.get(path)
    if (have === undefined) wrong.push(`${path} is missing`)
    else if (have === null || content === null ? have !== content : !have.equals(content)) wrong.push(`${path} is ${describe(have)}, not ${describe(content)}`)
  }
  const extra = [...found.keys()].filter((path) => !scenario.final.has(path))
  const copies = extra.filter((path) => COPY.test(path))
  const held = ['both', ...copies].map((path) => found.get(path)?.toString('latin1') ?? '')
  for (const rival of scenario.rivals) if (!held.includes(rival.toString('latin1'))) wrong.push(`a rival is neither at its name nor a copy: ${rival.subarray(0, 30).toString()}`)
  const strays = extra.filter((path) => path !== 'both' && !COPY.test(path))
  if (copies.length > 1 || strays.length > 0) wrong.push(`strays: ${[...copies, ...strays].map((path) => `${path} is ${describe(found.get(path) ?? null)}`).join('; ')}`)
  return [...wrong, ...unaccounted(found, scenario, history)]
}

function unaccounted(found: ReadonlyMap<string, Buffer | null>, scenario: Scenario, history: ReadonlyMap<string, string>): string[] {
  const live = new Set([...found.values()].filter((content) => content !== null).map(sha256))
  const wrong: string[] = []
  for (const [hash, { what, live: mustLive }] of scenario.kept) {
    if (live.has(hash)) continue
    const file = history.get(hash)
    if (file === undefined) wrong.push(`LOST: ${what}`)
    else if (mustLive) wrong.push(`buried in history: ${what}: ${file}`)
  }
  return wrong
}

/** Everything below, directories as null, symlinks as what a ledger makes of them. */
function readTree(root: string): Map<string, Buffer | null> {
  const found = new Map<string, Buffer | null>()
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(join(root, path))
    if (stat.isDirectory()) found.set(path, null)
    else found.set(path, stat.isSymbolicLink() ? linkContent(readlinkSync(join(root, path))) : readFileSync(join(root, path)))
  }
  return found
}

function describe(content: Buffer | null): string {
  return content === null ? 'a directory' : `${content.length} bytes ${sha256(content).slice(0, 8)} ${JSON.stringify(content.subarray(0, 40).toString('latin1'))}`
}
