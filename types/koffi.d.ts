declare module 'koffi' {
  /** Functions of a library of the system, called by their declaration in C. */
  const koffi: {
    /** Null: what is loaded already. */
    load(path: string | null): { func(declaration: string): (...values: number[]) => number }
  }
  export default koffi
}
