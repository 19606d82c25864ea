/** What a planted bug is: see mutations.ts. */

export interface Mutation {
  /** What the bug does, in the words of a bug report. */
  readonly bug: string
  /** Below the project, as source. */
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly caughtBy: readonly Catcher[]
}

export interface Catcher {
  /** Below test/, without `.test.ts`. */
  readonly file: string
  readonly test: string
}

export const by = (file: string, name: string): Catcher => ({ file, test: name })
