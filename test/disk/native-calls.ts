/** Puts something of a test between the daemon and the calls that it makes by koffi. To be called before the modules that load them. */
import koffi from 'koffi'

export interface NativeFunction {
  (...args: unknown[]): unknown
  readonly info: { readonly name: string }
  async(...args: unknown[]): void
}

/** `around`: what is called in place of each function, at once and in the pool. */
export function aroundNativeCalls(around: (real: NativeFunction) => { readonly atOnce: (...args: unknown[]) => unknown; readonly inPool: (...args: unknown[]) => void }): void {
  const library = koffi as unknown as { load: (name: null) => { func(declaration: string): NativeFunction } }
  const { load } = library
  library.load = (name) => {
    const loaded = load(name)
    return {
      func: (declaration) => {
        const real = loaded.func(declaration)
        const { atOnce, inPool } = around(real)
        return Object.assign((...args: unknown[]): unknown => atOnce(...args), { info: real.info, async: inPool })
      }
    }
  }
}
