/** Progress on a terminal while folders scan and sync: files, bytes, rate, time left. Reads the status; acts on nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { SingleBar } from 'cli-progress'
import type { Client } from '../rpc/client.ts'
import type { FolderStatus, StatusDocument } from '../rpc/schema.ts'
import type { Context } from './context.ts'
import { bytes, counted, duration, number } from './format.ts'
import { printable } from './output.ts'

const POLL_MS = 250
/** A folder that looks settled is believed after this many looks in a row: between scan and sync lies a moment of idleness. */
const SETTLED_LOOKS = 3
/** The rate is taken over this time. */
const RATE_WINDOW_MS = 5000

/** Resolves when the folder (null: every one) is settled, stopped or paused. For terminals only. */
export async function followSync(context: Context, client: Client, folder: string | null, signal?: AbortSignal): Promise<void> {
  const bar = new ProgressBar()
  const running = (): boolean => signal?.aborted !== true
  try {
    for (let settled = 0; settled < SETTLED_LOOKS && running(); ) {
      const status = await client.call('status.get', folder === null ? {} : { folder })
      settled = status.folders.every(isSettled) ? settled + 1 : 0
      if (settled === 0) await bar.show(status)
      if (settled < SETTLED_LOOKS) await sleep(POLL_MS)
      else tell(context, bar, status)
    }
  } finally {
    bar.stop()
  }
}

function tell(context: Context, bar: ProgressBar, status: StatusDocument): void {
  bar.stop()
  for (const folder of status.folders) context.out.line(summary(folder))
}

function isSettled(folder: FolderStatus): boolean {
  return folder.state === 'paused' || folder.state === 'halted' || folder.state === 'decision' || (folder.state === 'idle' && folder.need.files + folder.need.deletes === 0)
}

function summary(folder: FolderStatus): string {
  const held = `${counted(folder.files, 'file')}, ${bytes(folder.bytes)}`
  return folder.reason === null ? `${printable(folder.name)}: ${held}` : `${printable(folder.name)}: ${folder.state}: ${printable(folder.reason.message)}`
}

class ProgressBar {
  #bar: SingleBar | null = null
  readonly #samples: { readonly at: number; readonly done: number }[] = []

  async show(status: StatusDocument): Promise<void> {
    const have = sum(status, (folder) => folder.bytes)
    const need = sum(status, (folder) => folder.need.bytes)
    const rate = this.#rate(have)
    const left = need > 0 && rate > 0 ? `${duration((need / rate) * 1000)} left` : ''
    const files = sum(status, (folder) => folder.files)
    const needFiles = sum(status, (folder) => folder.need.files)
    const what = needFiles > 0 ? `${number(files)}/${number(files + needFiles)} files` : counted(files, 'file')
    const payload = { what, amount: need > 0 ? `${bytes(have)}/${bytes(have + need)}` : bytes(have), rate: `${bytes(rate)}/s`, left }
    const bar = await this.#open(payload)
    bar.setTotal(Math.max(1, have + need))
    bar.update(have, payload)
  }

  stop(): void {
    this.#bar?.stop()
    this.#bar = null
  }

  async #open(payload: Record<string, string>): Promise<SingleBar> {
    if (this.#bar !== null) return this.#bar
    const progress = await import('cli-progress')
    const bar = new progress.default.SingleBar({ format: '{bar} {what}  {amount}  {rate}  {left}', barsize: 24, clearOnComplete: true, hideCursor: true, barCompleteChar: '█', barIncompleteChar: '░', fps: 5 })
    bar.start(1, 0, payload)
    return (this.#bar = bar)
  }

  /** Bytes a second. */
  #rate(done: number): number {
    const now = Date.now()
    this.#samples.push({ at: now, done })
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? now) > RATE_WINDOW_MS) this.#samples.shift()
    const first = this.#samples[0]
    return first === undefined || now === first.at ? 0 : Math.max(0, ((done - first.done) / (now - first.at)) * 1000)
  }
}

function sum(status: StatusDocument, value: (folder: FolderStatus) => number): number {
  return status.folders.reduce((total, folder) => total + value(folder), 0)
}
