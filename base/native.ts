/**
 * Calls of the C library that Node does not have, by koffi: it comes built and is an optional dependency, so each caller has another
 * way, or does without, where it is missing or the library has no such function.
 */
import { getSystemErrorName } from 'node:util'

export type NativeCall = (...values: number[]) => number
export type NativeTask = (...values: (number | string)[]) => Promise<void>

/** A call that fails with -1. Its errors are as those of Node's own calls: `code`, `errno`, `syscall`. */
export interface SystemCall {
  atOnce(...values: (number | string)[]): void
  /** On a thread of Node's pool, for what may wait. */
  readonly inPool: NativeTask
}

/** Of one function: koffi has room for 256 calls at once, of the whole process, and throws at the next. */
const IN_POOL = 64

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

/** As `nativeCall`, for a system call. */
export async function systemCall(declaration: string): Promise<SystemCall | null> {
  try {
    const { default: koffi } = await import('koffi')
    const call = koffi.load(null).func(declaration)
    const { name } = call.info
    const room = new Room(IN_POOL)
    return {
      atOnce: (...values) => {
        if (call(...values) === -1) throw systemError(koffi.errno(), name)
      },
      inPool: async (...values) => {
        await room.enter()
        return await new Promise((resolve, reject) => {
          try {
            call.async(...values, (error: unknown, result: number) => {
              room.leave()
              if (error !== null && error !== undefined) reject(error as Error)
              else if (result === -1) reject(systemError(koffi.errno(), name))
              else resolve()
            })
          } catch (error) {
            room.leave()
            reject(error as Error)
          }
        })
      }
    }
  } catch {
    return null
  }
}

/** Lets so many in at once; the others wait for their turn. */
class Room {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(size: number) {
    this.#free = size
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

function systemError(errno: number, syscall: string): Error {
  const code = errno > 0 ? getSystemErrorName(-errno) : 'EIO'
  return Object.assign(new Error(`${code}: ${syscall}`), { code, errno: -errno, syscall })
}
