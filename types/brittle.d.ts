/** What the tests use of brittle. */
declare module 'brittle' {
  interface Exception {
    (run: Promise<unknown> | (() => unknown), expected?: RegExp | (new (...args: never[]) => Error) | object | string, message?: string): Promise<void>
    all(run: Promise<unknown> | (() => unknown), expected?: RegExp | (new (...args: never[]) => Error) | object | string, message?: string): Promise<void>
  }

  export interface Assert {
    readonly name: string
    readonly passes: number
    readonly fails: number
    plan(count: number, message?: string): void
    pass(message?: string): void
    fail(message?: string): void
    ok(value: unknown, message?: string): void
    absent(value: unknown, message?: string): void
    is<T>(actual: T, expected: T, message?: string): void
    not<T>(actual: T, expected: T, message?: string): void
    alike<T>(actual: T, expected: T, message?: string): void
    unlike<T>(actual: T, expected: T, message?: string): void
    readonly exception: Exception
    execution(run: Promise<unknown> | (() => unknown), message?: string): Promise<number>
    comment(...message: unknown[]): void
    /** Milliseconds; 0: none. */
    timeout(ms: number): void
    teardown(run: () => unknown, options?: { order?: number; force?: boolean }): void
    /** A new folder, removed after the test. */
    tmp(): Promise<string>
    test(name: string, run: (t: Assert) => unknown): Promise<boolean>
    test(name: string, options: TestOptions, run: (t: Assert) => unknown): Promise<boolean>
    end(): void
  }

  export interface TestOptions {
    /** Milliseconds. */
    timeout?: number
    skip?: boolean
    todo?: boolean
    solo?: boolean
  }

  type Declare = {
    (name: string, run?: (t: Assert) => unknown): Promise<boolean>
    (name: string, options: TestOptions, run: (t: Assert) => unknown): Promise<boolean>
  }

  interface TestFunction extends Declare {
    readonly skip: Declare
    readonly todo: Declare
    readonly solo: Declare
  }

  const test: TestFunction
  export default test
  export { test }
  export function configure(options: { readonly timeout?: number }): void
  export function hook(name: string, run: (t: Assert) => unknown): Promise<boolean>
}
