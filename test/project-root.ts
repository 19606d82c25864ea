/** Where the project stands, whatever folder the tests were built into. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The nearest folder above this file that has a package.json. */
export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)))

function findRoot(start: string): string {
  let directory = start
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory)
    if (parent === directory) throw new Error(`no package.json above ${start}`)
    directory = parent
  }
  return directory
}
