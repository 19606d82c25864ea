/** What the system says of a process or a folder. */
import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Resident memory now and at its highest, in bytes. */
export async function memoryOf(pid: number): Promise<{ peakBytes: number; residentBytes: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return { peakBytes: kibibytes(status, 'VmHWM'), residentBytes: kibibytes(status, 'VmRSS') }
}

/** Bytes on disk of everything below a folder. */
export async function sizeOf(directory: string): Promise<number> {
  let sum = 0
  for (const name of await readdir(directory, { recursive: true })) sum += (await lstat(join(directory, name))).blocks * 512
  return sum
}

/** Files and symbolic links below a folder, as `status` counts them, and their bytes. */
export async function countFiles(directory: string): Promise<{ files: number; bytes: number }> {
  let files = 0
  let bytes = 0
  for (const name of await readdir(directory, { recursive: true })) {
    const stat = await lstat(join(directory, name))
    if (stat.isDirectory()) continue
    files++
    if (stat.isFile()) bytes += stat.size
  }
  return { files, bytes }
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024
}
