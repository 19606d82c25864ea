/** Permissions do not bind root: tests of them become another user for a while. */
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Assert } from 'brittle'

const NOBODY = 65534
/** As brittle itself requires. */
export const requireAsBrittle = createRequire(createRequire(import.meta.url).resolve('brittle'))
/**
 * What brittle loads at the first assertion that fails. That other user may not enter the checkout (that of `mktemp -d` is its owner's
 * alone): then the failure would be the end of the file, before the tests that follow.
 */
export const LOADED_LATE = ['./lib/errors.js', 'tmatch'] as const

/** Gives a folder to the user that `asUser` becomes. */
export function giveAway(root: string): void {
  if (process.geteuid?.() !== 0) return
  fs.chmodSync(join(root, '..'), 0o755)
  for (const path of ['', ...fs.readdirSync(root, { recursive: true, encoding: 'utf8' })]) fs.lchownSync(join(root, path), NOBODY, NOBODY)
}

/** Null, with a word, where that cannot be. */
export function asUser(t: Assert): { back(): void } | null {
  if (process.geteuid?.() !== 0) return { back: () => undefined }
  for (const name of LOADED_LATE) requireAsBrittle(name)
  try {
    process.setegid?.(NOBODY)
    process.seteuid?.(NOBODY)
  } catch {
    t.comment('SKIPPED: runs as root and cannot become another user, so permissions do not bind')
    return null
  }
  const back = (): void => {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
  t.teardown(back, { order: -1 })
  return { back }
}
