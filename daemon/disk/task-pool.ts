/**
 * Runs tasks that make further tasks, the newest first (so that a walk goes deep and its memory stays small), and hands out what
 * they find in batches as it comes. Heavy tasks (large files) have lanes of their own, so that small finds do not wait for them.
 */

export interface TaskPoolOptions {
  readonly lanes: number
  readonly heavyLanes: number
  /** No light task is started while more heavy ones wait. */
  readonly heavyBacklog: number
  /** Items of the first batch; each is twice the one before, up to `batch`. Whoever waits for the first sign of many things can begin early. */
  readonly firstBatch: number
  /** Items of a batch; fewer after `lingerMs` without a full one. */
  readonly batch: number
  readonly lingerMs: number
}

type Task = () => Promise<void>

export class TaskPool<Item> {
  readonly #options: TaskPoolOptions
  readonly #light: Task[] = []
  readonly #heavy: Task[] = []
  readonly #last: Task[] = []
  readonly #running = new Set<Promise<void>>()
  #lightRunning = 0
  #heavyRunning = 0
  #found: Item[] = []
  #due: number
  /** When the first of `#found` came. */
  #oldest = 0
  #failure: { readonly error: unknown } | null = null
  #wake: () => void = () => undefined

  constructor(options: TaskPoolOptions) {
    this.#options = options
    this.#due = options.firstBatch
  }

  add(task: Task): void {
    this.#light.push(task)
  }

  addHeavy(task: Task): void {
    this.#heavy.push(task)
  }

  /** Starts once all other light work is done, that which it makes for itself included. */
  addLast(task: Task): void {
    this.#last.push(task)
  }

  found(item: Item): void {
    if (this.#found.length === 0) this.#oldest = Date.now()
    this.#found.push(item)
  }

  /** Ends when no task is left; throws what a task threw; on return no task is running. */
  async *batches(signal: AbortSignal): AsyncGenerator<readonly Item[]> {
    try {
      while (!signal.aborted && this.#failure === null && this.#start()) {
        if (await this.#isDue()) yield this.#take()
      }
      if (this.#failure !== null) throw this.#failure.error
      if (!signal.aborted && this.#found.length > 0) yield this.#take()
    } finally {
      this.#light.length = 0
      this.#heavy.length = 0
      this.#last.length = 0
      await Promise.allSettled(this.#running)
    }
  }

  #take(): readonly Item[] {
    const items = this.#found
    this.#found = []
    this.#due = Math.min(2 * this.#due, this.#options.batch)
    return items
  }

  /** @returns false if nothing runs any more. */
  #start(): boolean {
    const { lanes, heavyLanes, heavyBacklog } = this.#options
    while (this.#heavyRunning < heavyLanes && this.#heavy.length > 0) this.#run(this.#heavy.shift() as Task, 'heavy')
    while (this.#lightRunning < lanes && this.#light.length > 0 && this.#heavy.length <= heavyBacklog) this.#run(this.#light.pop() as Task, 'light')
    if (this.#lightRunning === 0 && this.#light.length === 0 && this.#last.length > 0) {
      this.#light.push(...this.#last.splice(0))
      return this.#start()
    }
    return this.#running.size > 0
  }

  #run(task: Task, weight: 'light' | 'heavy'): void {
    if (weight === 'light') this.#lightRunning++
    else this.#heavyRunning++
    const running = task()
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        if (weight === 'light') this.#lightRunning--
        else this.#heavyRunning--
        this.#running.delete(running)
        this.#wake()
      })
    this.#running.add(running)
  }

  /** Waits until a task ends or the linger time is over; true if a batch is due. */
  async #isDue(): Promise<boolean> {
    if (this.#found.length >= this.#due) return true
    const wait = this.#found.length === 0 ? null : this.#oldest + this.#options.lingerMs - Date.now()
    if (wait !== null && wait <= 0) return true
    await this.#next(wait)
    return this.#found.length >= this.#due
  }

  #next(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, ms)
      this.#wake = () => {
        if (timer !== null) clearTimeout(timer)
        resolve()
      }
    })
  }
}
