/** What the output of a brittle file says of one of its tests, while it comes. */

const RESULT = /^(not )?ok \d+ - (.*)$/

export class NamedResult {
  readonly #test: string
  output = ''
  verdict: 'failed' | 'passed' | 'unreached' = 'unreached'

  constructor(test: string) {
    this.#test = test
  }

  take(text: string): void {
    this.output += text
    if (this.verdict !== 'unreached') return
    // The last line may be the beginning of one.
    for (const line of this.output.split('\n').slice(0, -1)) {
      const result = RESULT.exec(line)
      if (result?.[2]?.startsWith(`${this.#test} # time = `) !== true) continue
      this.verdict = result[1] === undefined ? 'passed' : 'failed'
      return
    }
  }

  /** A bad end in the middle of the test is a failure of it; one by a signal is none, as it may have come from elsewhere. */
  ended(code: number | null): NamedResult['verdict'] {
    const begun = this.output.split('\n').findLast((line) => line.startsWith('# '))
    if (this.verdict === 'unreached' && code !== null && code !== 0 && begun === `# ${this.#test}`) return 'failed'
    return this.verdict
  }
}
