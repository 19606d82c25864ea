/** The version of this installation, from its package.json: the same file above `dist/`, a build directory, or a checkout. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

let known: string | null = null

export function version(): string {
  known ??= findVersion(dirname(fileURLToPath(import.meta.url)))
  return known
}

function findVersion(directory: string): string {
  const found = readVersion(join(directory, 'package.json'))
  if (found !== null) return found
  const parent = dirname(directory)
  return parent === directory ? '0.0.0' : findVersion(parent)
}

function readVersion(file: string): string | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return null // not at this level
  }
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || !('name' in parsed) || parsed.name !== 'p2psync') return null
  return 'version' in parsed && typeof parsed.version === 'string' ? parsed.version : null
}
