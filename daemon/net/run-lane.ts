/**
 * The channel for runs of drives' logs on one connection, both sides of it: offering and giving them, asking for them. What comes is
 * bounded here and proved by who takes it in; a peer that is beyond the bounds ends its connection, one that says nothing loses its
 * turn.
 */
import { keptView } from '../../base/kept-view.ts'
import { MAX_RUN_BLOCKS, MAX_RUN_BYTES } from '../../base/limits.ts'
import type { BlockRun, Clock, Log, RunRequest } from '../ports.ts'
import type { DriveKey } from '../sync/ids.ts'
import { Channel } from './channel.ts'
import { MAX_MESSAGE_BYTES, MAX_QUEUED_ASKS, RUN_IDLE_MS, RUN_PACE_BYTES, RUN_PACE_MS, RUN_SLOW_MS, RUN_TOTAL_MS } from './limits.ts'
import { RUNS_PROTOCOL } from './run-protocol.ts'
import * as wire from './run-protocol.ts'
import type { Ahead, Ask, Blocks, End, Offer, Push } from './run-protocol.ts'

export interface RunLaneOptions {
  readonly stream: unknown
  readonly clock: Clock
  readonly log: Log
  /** INVARIANT 7: asked at the moment of each answer. */
  allowed(drive: DriveKey): boolean
  read(drive: DriveKey, request: RunRequest): Promise<BlockRun | null>
  onOpen(): void
  onClose(): void
  onOffer(offer: Offer): void
  onPush(push: Push): void
  onAhead(ahead: Ahead): void
  /** The peer was sent the drive's blocks up to `end`. */
  onGiven(drive: DriveKey, end: number): void
  onFault(error: unknown): void
}

/** Nothing comes, or nothing more; it may be busy. */
export class LateError extends Error {}

interface Pending {
  readonly request: RunRequest
  readonly blocks: Buffer[]
  bytes: number
  readonly done: (run: BlockRun | null) => void
  readonly fail: (error: Error) => void
  stopIdle: () => void
  /** Of the time in which it must bring so much. */
  stopPace: () => void
  /** Under way for so long that its end, with the connection, is as late as any. */
  isSlow: boolean
  readonly stopSlow: () => void
  readonly stopTotal: () => void
}

export class RunLane {
  readonly #options: RunLaneOptions
  readonly #channel: Channel
  readonly #send: ReturnType<RunLane['messages']>
  readonly #pending = new Map<number, Pending>()
  readonly #asks: Ask[] = []
  #answering = false
  #lastId = 0

  constructor(options: RunLaneOptions) {
    this.#options = options
    this.#channel = new Channel(options.stream, {
      protocol: RUNS_PROTOCOL,
      onOpen: () => options.onOpen(),
      onClose: () => this.#closed(),
      onFault: (error) => options.onFault(error),
    })
    this.#send = this.messages()
    this.#channel.start()
  }

  /** The peer knows the channel. */
  get isOpen(): boolean {
    return this.#channel.isOpen
  }

  offer(offer: Offer): void {
    this.#send.offer(offer)
  }

  /** Nothing is sent to who may not have it. */
  push(push: Push): void {
    if (this.#options.allowed(push.drive)) this.#send.push(push)
  }

  ahead(ahead: Ahead): void {
    if (this.#options.allowed(ahead.drive)) this.#send.ahead(ahead)
  }

  /** Null: the peer has none. Rejects if it does not answer, or the connection ends. */
  async ask(drive: DriveKey, request: RunRequest): Promise<BlockRun | null> {
    if (!this.isOpen) throw new Error('the device is not connected')
    const id = ++this.#lastId
    const { clock } = this.#options
    const late = (): void => this.#take(id)?.fail(new LateError('the device does not send the run it offered'))
    return await new Promise<BlockRun | null>((done, fail) => {
      const stopSlow = clock.after(RUN_SLOW_MS, () => {
        pending.isSlow = true
      })
      const pending: Pending = { request, blocks: [], bytes: 0, done, fail, isSlow: false, stopSlow, stopPace: () => undefined, stopIdle: clock.after(RUN_IDLE_MS, late), stopTotal: clock.after(RUN_TOTAL_MS, late) }
      this.#pending.set(id, pending)
      this.#pace(id, pending)
      this.#send.ask({ id, drive, ...request })
    })
  }

  close(): void {
    this.#channel.close()
  }

  /** The order here is the protocol. */
  private messages() {
    const channel = this.#channel
    return {
      offer: channel.message(wire.offer, (message) => this.#options.onOffer(message)),
      ask: channel.message(wire.ask, (message) => this.#onAsk(message)),
      blocks: channel.message(wire.blocks, (message) => this.#onBlocks(message)),
      end: channel.message(wire.end, (message) => this.#onEnd(message)),
      none: channel.message(wire.none, ({ id }) => this.#take(id)?.done(null)),
      push: channel.message(wire.push, (message) => this.#options.onPush({ ...message, blocks: message.blocks.map((block) => keptView(block)) })),
      ahead: channel.message(wire.ahead, (message) => this.#options.onAhead(message)),
    }
  }

  // ---------------------------------------------------------------------------------------------- asking

  #onBlocks({ id, blocks }: Blocks): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    for (const block of blocks) {
      pending.blocks.push(keptView(block))
      pending.bytes += block.length
    }
    if (pending.blocks.length > MAX_RUN_BLOCKS || pending.bytes > MAX_RUN_BYTES) throw new Error('a run is longer than any may be')
    pending.stopIdle()
    pending.stopIdle = this.#options.clock.after(RUN_IDLE_MS, () => this.#take(id)?.fail(new LateError('the device stopped sending a run')))
  }

  /** A run that is genuine and comes by drops is held against its device as well. */
  #pace(id: number, pending: Pending): void {
    const before = pending.bytes
    pending.stopPace = this.#options.clock.after(RUN_PACE_MS, () => {
      if (pending.bytes - before < RUN_PACE_BYTES) this.#take(id)?.fail(new LateError('the device sends a run by drops'))
      else this.#pace(id, pending)
    })
  }

  #onEnd({ id, signature, signer }: End): void {
    const pending = this.#take(id)
    pending?.done({ fork: pending.request.fork, start: pending.request.start, blocks: pending.blocks, signature, signer })
  }

  #take(id: number): Pending | null {
    const pending = this.#pending.get(id)
    if (pending === undefined) return null
    this.#pending.delete(id)
    pending.stopIdle()
    pending.stopPace()
    pending.stopTotal()
    pending.stopSlow()
    return pending
  }

  // ---------------------------------------------------------------------------------------------- answering

  #onAsk(ask: Ask): void {
    if (this.#asks.length >= MAX_QUEUED_ASKS) {
      this.#send.none({ id: ask.id })
      return
    }
    this.#asks.push(ask)
    if (!this.#answering) void this.#answerAll()
  }

  /** One run after the other: it is held in memory while it leaves. */
  async #answerAll(): Promise<void> {
    this.#answering = true
    for (let ask = this.#asks.shift(); ask !== undefined; ask = this.#asks.shift()) await this.#answer(ask)
    this.#answering = false
  }

  async #answer(ask: Ask): Promise<void> {
    const run = this.#options.allowed(ask.drive) ? await this.#read(ask) : null
    if (run === null) {
      this.#send.none({ id: ask.id })
      return
    }
    for (const blocks of inFrames(run.blocks)) {
      if (!this.isOpen || !this.#options.allowed(ask.drive)) return
      if (!this.#send.blocks({ id: ask.id, blocks })) await this.#channel.drained()
    }
    this.#send.end({ id: ask.id, signature: run.signature, signer: run.signer })
    this.#options.onGiven(ask.drive, run.start + run.blocks.length)
  }

  async #read({ drive, fork, start, signer }: Ask): Promise<BlockRun | null> {
    try {
      return await this.#options.read(drive, { fork, start, signer })
    } catch (error) {
      this.#options.log.warn({ err: error }, 'reading a run for a peer failed')
      return null
    }
  }

  #closed(): void {
    this.#asks.length = 0
    const error = new Error('the connection to the device ended')
    for (const [id, { isSlow }] of [...this.#pending]) this.#take(id)?.fail(isSlow ? new LateError('the connection ended before the run') : error)
    this.#options.onClose()
  }
}

function* inFrames(blocks: readonly Buffer[]): Generator<readonly Buffer[]> {
  let frame: Buffer[] = []
  let bytes = 0
  for (const block of blocks) {
    if (bytes + block.length > MAX_MESSAGE_BYTES && frame.length > 0) {
      yield frame
      frame = []
      bytes = 0
    }
    frame.push(block)
    bytes += block.length
  }
  if (frame.length > 0) yield frame
}
