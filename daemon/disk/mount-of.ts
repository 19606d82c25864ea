/** Which mount a descriptor is on. A directory of the same file system that is mounted over another one has the same st_dev, and only this tells (proc(5)). */
import { readFileSync } from 'node:fs'

/** Null where the system does not tell. */
export function mountOf(fd: number): string | null {
  try {
    // At once: the kernel makes it of what is in memory.
    return mountIdIn(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))
  } catch {
    return null
  }
}

/** The id by which /proc/self/mountinfo names it; null: there is none. */
export function mountIdIn(fdinfo: string): string | null {
  return /^mnt_id:\s*(\d+)$/m.exec(fdinfo)?.[1] ?? null
}
