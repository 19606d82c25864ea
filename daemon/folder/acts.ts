/** What users decide about single paths or held deletions, carried out by the folder's cycle between its steps. */

interface Act {
  readonly run: () => Promise<void>
  readonly refuse: (error: Error) => void
}

export class Acts {
  #waiting: Act[] = []

  get empty(): boolean {
    return this.#waiting.length === 0
  }

  /** Settles as the act does, or with what it is refused for. */
  add<T>(act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#waiting.push({ run: async () => await act().then(resolve, reject), refuse: reject }))
  }

  async run(): Promise<void> {
    for (let act = this.#waiting.shift(); act !== undefined; act = this.#waiting.shift()) await act.run()
  }

  /** They cannot be carried out now. */
  refuse(error: Error): void {
    const refused = this.#waiting
    this.#waiting = []
    for (const act of refused) act.refuse(error)
  }
}
