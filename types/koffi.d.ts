declare module 'koffi' {
  interface NativeFunction {
    (...values: (number | string)[]): number
    /** On a thread of Node's pool; `done` last. */
    async(...values: [...(number | string)[], (error: unknown, result: number) => void]): void
    readonly info: { readonly name: string }
  }

  /** Functions of a library of the system, called by their declaration in C. */
  const koffi: {
    /** Null: what is loaded already. */
    load(path: string | null): { func(declaration: string): NativeFunction }
    /** Of the call that has just ended, in a callback of `async` too. */
    errno(): number
  }
  export default koffi
}
