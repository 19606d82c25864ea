/** The settings of history as the folder understands them. */
import type { Config } from './config.ts'
import type { Retention } from './folder/retention.ts'

const DAY_MS = 24 * 3600 * 1000

export function retentionOf({ historyMaxDays, historyMaxBytes }: Config): Retention {
  return { maxAgeMs: historyMaxDays * DAY_MS, maxBytes: historyMaxBytes }
}
