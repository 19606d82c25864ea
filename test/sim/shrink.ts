/** Makes a failing script smaller: leaves out steps, devices and weather for as long as it still fails. */
import { runScript } from './run.ts'
import type { Script, Step } from './script.ts'

const MAX_RUNS = 600

/** `failure` is the first one of the script's outcome: what is left out must not change which check fails. */
export async function shrink(script: Script, failure: string, report: (script: Script) => void = () => undefined): Promise<Script> {
  const search = new Search(script, checkOf(failure), report)
  await search.run()
  return search.best
}

class Search {
  best: Script
  readonly #check: string
  readonly #report: (script: Script) => void
  #runs = 0

  constructor(script: Script, check: string, report: (script: Script) => void) {
    this.best = script
    this.#check = check
    this.#report = report
  }

  async run(): Promise<void> {
    for (let better = true; better && this.#runs < MAX_RUNS; ) {
      better = false
      for (const candidate of calmer(this.best)) better = (await this.#try(candidate)) || better
      better = (await this.#dropSteps('steps')) || better
      better = (await this.#dropSteps('before')) || better
      better = (await this.#shortenWaits()) || better
    }
  }

  /** Halves, quarters, … single steps. */
  async #dropSteps(which: 'before' | 'steps'): Promise<boolean> {
    let better = false
    for (let size = Math.ceil(this.best[which].length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < this.best[which].length; ) {
        const left = this.best[which].filter((_, i) => i < at || i >= at + size)
        if (await this.#try({ ...this.best, [which]: left })) better = true
        else at += size
      }
    }
    return better
  }

  async #shortenWaits(): Promise<boolean> {
    let better = false
    for (const [i, step] of this.best.steps.entries()) {
      if (step.wait === 0) continue
      const steps: Step[] = this.best.steps.map((other, j) => (i === j ? { ...other, wait: 0 } : other))
      better = (await this.#try({ ...this.best, steps })) || better
    }
    return better
  }

  async #try(candidate: Script): Promise<boolean> {
    if (this.#runs++ >= MAX_RUNS) return false
    const { failures } = await runScript(candidate)
    if (!failures.some((failure) => checkOf(failure) === this.#check)) return false
    this.best = candidate
    this.#report(candidate)
    return true
  }
}

function* calmer(script: Script): Generator<Script> {
  const { weather } = script
  if (weather.lies > 0) yield { ...script, weather: { ...weather, lies: 0 } }
  if (weather.nacks > 0) yield { ...script, weather: { ...weather, nacks: 0 } }
  if (weather.lostHints > 0) yield { ...script, weather: { ...weather, lostHints: 0 } }
  if ((weather.disorder ?? 0) > 0) yield { ...script, weather: { ...weather, disorder: 0 } }
  if (script.guard !== undefined) yield withoutGuard(script)
  if ((weather.ahead ?? 0) > 0) yield { ...script, weather: { ...weather, ahead: 0 } }
  if (weather.beside === true) yield { ...script, weather: { ...weather, beside: false } }
  if (weather.foretells === true) yield { ...script, weather: { ...weather, foretells: false } }
  if (weather.skewMs > 0) yield { ...script, weather: { ...weather, skewMs: 0 } }
  if (weather.slowCalls > 0) yield { ...script, weather: { ...weather, slowCalls: 0 } }
  if (weather.maxDelayMs > 0) yield { ...script, weather: { ...weather, maxDelayMs: 0 } }
  if (script.devices > 2 && [...script.before, ...script.steps].every((step) => usesAtMost(step, script.devices - 1))) yield { ...script, devices: script.devices - 1 }
}

function withoutGuard({ guard: _guard, ...script }: Script): Script {
  return script
}

function usesAtMost(step: Step, devices: number): boolean {
  return (!('on' in step) || step.on < devices) && (step.do !== 'cut' && step.do !== 'mend' && step.do !== 'clone' ? true : step.to < devices)
}

function checkOf(failure: string): string {
  return failure.slice(0, failure.indexOf(']') + 1)
}
