/** The parts beside the whole: what this machine does of each alone, so that every figure stands beside its physical limit. */
import type { Limit } from './report.ts'

export async function measureLimits(_directory: string, _quick: boolean): Promise<readonly Limit[]> {
  return []
}
