/**
 * Calls of the C library that Node does not have, by koffi: it comes built and is an optional dependency, so each caller has another
 * way, or does without, where it is missing or the library has no such function.
 */

export type NativeCall = (...values: number[]) => number

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
