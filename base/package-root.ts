/** Where this installation lies: the directory of its package.json, above `dist/`, a build directory or a checkout. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Package {
  readonly root: string
  readonly version: string
}

let known: Package | null = null

export function ownPackage(): Package {
  known ??= find(dirname(fileURLToPath(import.meta.url)))
  return known
}

function find(directory: string): Package {
  const version = readVersion(join(directory, 'package.json'))
  if (version !== null) return { root: directory, version }
  const parent = dirname(directory)
  if (parent === directory) throw new Error('the package.json of p2psync is missing')
  return find(parent)
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
