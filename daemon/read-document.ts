/** Small JSON files of the state directory that can be done without: what is lost with one is found again. */
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { errnoOf } from '../base/errors.ts'

/** Null if it is not there, or is not what the schema says. Throws what the system says of a file that cannot be read. */
export function readDocument<T>(file: string, schema: z.ZodType<T>): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')))
    return parsed.success ? parsed.data : null
  } catch (error) {
    if (errnoOf(error) !== null && errnoOf(error) !== 'ENOENT') throw error
    return null
  }
}
