/** What users type, made exact: durations, paths, folders. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { P2psyncError } from '../base/errors.ts'

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `10m`, `1h`, `1d`; a bare number is seconds. Throws USAGE. */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|min|m|h|d)?$/.exec(text.trim())
  const ms = match === null ? 0 : Math.round(Number(match[1]) * (UNIT_MS[match[2] ?? 's'] ?? 0))
  if (ms < 1 || ms > 86_400_000) throw new P2psyncError('USAGE', `${option}: ${JSON.stringify(text)} is not a duration such as 90s, 10m or 1h (at most one day)`)
  return ms
}

const AGO_MS: Readonly<Record<string, number>> = { m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** `2h`, `3d` (ago), or a date and time as ISO 8601, local unless it says otherwise. As ISO 8601 in UTC. Throws USAGE. */
export function parsePastTime(text: string, option: string, now: number): string {
  const ago = /^(\d+(?:\.\d+)?)(min|m|h|d|w)$/.exec(text.trim())
  const date = /^\d{4}-\d\d-\d\d$/.test(text.trim()) ? `${text.trim()}T00:00` : text.trim()
  const at = ago === null ? (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(date) ? Date.parse(date) : Number.NaN) : now - Number(ago[1]) * (AGO_MS[ago[2] ?? ''] ?? 0)
  if (Number.isNaN(at) || at > now) throw new P2psyncError('USAGE', `${option}: ${JSON.stringify(text)} is not a time in the past such as 2026-05-01T12:00, 2h or 3d`)
  return new Date(at).toISOString()
}

/** Throws USAGE. */
export function parseCount(text: string, option: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new P2psyncError('USAGE', `${option}: ${JSON.stringify(text)} is not a number`)
  return Number(text)
}

/**
 * FOLDER for the daemon: what looks like a path becomes absolute; a word is a name, an id or the start of one, and, if the daemon
 * knows none and there is such a directory, a path after all.
 */
export async function withFolder<T>(cwd: string, folder: string, run: (folder: string) => Promise<T>): Promise<T> {
  if (folder.includes('/') || folder === '.' || folder === '..') return run(resolve(cwd, folder))
  try {
    return await run(folder)
  } catch (error) {
    const unknown = error instanceof P2psyncError && error.code === 'FOLDER_UNKNOWN'
    if (!unknown || !existsSync(resolve(cwd, folder))) throw error
    return run(resolve(cwd, folder))
  }
}

/** As `withFolder`, for an optional argument. */
export function withAnyFolder<T>(cwd: string, folder: string | undefined, run: (params: { folder?: string }) => Promise<T>): Promise<T> {
  return folder === undefined ? run({}) : withFolder(cwd, folder, (exact) => run({ folder: exact }))
}
