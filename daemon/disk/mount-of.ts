/** Which mount a descriptor is on. A directory of the same file system that is mounted over another one has the same st_dev, and only this tells (proc(5)). */
import { closeSync, openSync, readSync } from 'node:fs'

/** The kernel writes some hundred bytes there. */
const buffer = Buffer.allocUnsafeSlow(4096)

/** Null where the system does not tell. */
export function mountOf(fd: number): string | null {
  try {
    // At once: the kernel makes it of what is in memory. Three calls, where reading a file of unknown length takes five.
    const info = openSync(`/proc/self/fdinfo/${fd}`, 'r')
    try {
      return mountIdIn(buffer.toString('latin1', 0, readSync(info, buffer, 0, buffer.length, 0)))
    } finally {
      closeSync(info)
    }
  } catch {
    return null
  }
}

/** The id by which /proc/self/mountinfo names it; null: there is none. */
export function mountIdIn(fdinfo: string): string | null {
  return /^mnt_id:\s*(\d+)$/m.exec(fdinfo)?.[1] ?? null
}
