/**
 * Calls of the C library that Node does not have, by koffi: it comes built and is an optional dependency, so each caller has another
 * way, or does without, where it is missing or the library has no such function.
 */
import { getSystemErrorName } from 'node:util'

export type NativeCall = (...values: number[]) => number
/** Rejects where the call gives -1, with an error as those of Node's own calls: `code`, `errno`, `syscall`. */
export type NativeTask = (...values: number[]) => Promise<void>

/**
 * A function of a library that the process has loaded, by its declaration in C: `int malloc_trim(size_t pad)`. Loads koffi at the first
 * call, which takes some 15 ms and 3 MB. Null: there is none here.
 */
export async function nativeCall(declaration: string): Promise<NativeCall | null> {
  try {
    const { default: koffi } = await import('koffi')
    return koffi.load(null).func(declaration)
  } catch {
    return null // not installed, not made for this machine, or not in its C library
  }
}

/** As `nativeCall`, for what may wait: it is made on a thread of Node's pool. */
export async function nativeTask(declaration: string): Promise<NativeTask | null> {
  try {
    const { default: koffi } = await import('koffi')
    const call = koffi.load(null).func(declaration)
    const name = call.info.name
    return (...values) =>
      new Promise((resolve, reject) => {
        call.async(...values, (error: unknown, result: number) => {
          if (error !== null && error !== undefined) reject(error as Error)
          else if (result === -1) reject(systemError(koffi.errno(), name))
          else resolve()
        })
      })
  } catch {
    return null
  }
}

function systemError(errno: number, syscall: string): Error {
  const code = errno > 0 ? getSystemErrorName(-errno) : 'EIO'
  return Object.assign(new Error(`${code}: ${syscall}`), { code, errno: -errno, syscall })
}
