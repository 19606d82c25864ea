/** What we call of cli-progress. */
declare module 'cli-progress' {
  export interface Options {
    format: string
    /** Characters. */
    barsize?: number
    stream?: NodeJS.WritableStream
    hideCursor?: boolean
    clearOnComplete?: boolean
    barCompleteChar?: string
    barIncompleteChar?: string
    /** Redraws a second. */
    fps?: number
  }

  export class SingleBar {
    constructor(options: Options)
    start(total: number, value: number, payload?: Record<string, string>): void
    setTotal(total: number): void
    update(value: number, payload?: Record<string, string>): void
    stop(): void
  }
}
