/**
 * What every channel of ours needs from protomux: nothing goes out before both ends opened it (protomux would hold back at most
 * 32 KiB and then stop the whole stream), a handler that fails ends the connection and never the process, a sender can wait until
 * the stream has room, and a peer that is answered and never reads is let go before that fills the memory.
 */
import type { Encoding } from 'compact-encoding'
import Protomux from 'protomux'
import type { Channel as MuxChannel } from 'protomux'
import { MAX_WAITING_BYTES } from './limits.ts'

export interface ChannelOptions {
  readonly protocol: string
  /** Both ends are ready. */
  onOpen(): void
  /** Once. `opened` is false if the peer does not know or want the channel. */
  onClose(opened: boolean): void
  /** A handler failed, the peer broke the protocol, or too much waits for it (UnreadError). */
  onFault(error: unknown): void
}

/** It is answered and does not read, or its line is slower than what it asks for. */
export class UnreadError extends Error {}

export class Channel {
  readonly #mux: Protomux
  readonly #channel: MuxChannel | null
  readonly #options: ChannelOptions
  readonly #waiting = new Set<() => void>()
  #open = false
  #closed = false
  #overflowed = false

  constructor(stream: unknown, options: ChannelOptions) {
    this.#options = options
    this.#mux = Protomux.from(stream)
    this.#channel = this.#mux.createChannel({
      protocol: options.protocol,
      onopen: () => this.#opened(),
      onclose: () => this.#ended(),
      ondrain: () => this.#wake(),
    })
  }

  /** Declares the next message type; all before `start`. The handler runs once per message, in order; `bytes`: as it came. */
  message<T>(encoding: Encoding<T>, onMessage: (message: T, bytes: number) => void): (message: T) => boolean {
    let bytes = 0
    const measured: Encoding<T> = {
      preencode: (state, message) => encoding.preencode(state, message),
      encode: (state, message) => encoding.encode(state, message),
      decode: (state) => {
        bytes = state.end - state.start
        return encoding.decode(state)
      },
    }
    const declared = this.#channel?.addMessage<T>({
      encoding: measured,
      onmessage: (message) => {
        if (this.#closed) return
        try {
          onMessage(message, bytes)
        } catch (error) {
          this.#options.onFault(error)
        }
      },
    })
    return (message) => {
      if (!this.#open || this.#closed || this.#overflowed || declared === undefined) return false
      const hasRoom = declared.send(message)
      if (waitingIn(this.#mux.stream) > MAX_WAITING_BYTES) this.#overflow()
      return hasRoom
    }
  }

  start(): void {
    if (this.#channel === null) queueMicrotask(() => this.#ended())
    else this.#channel.open()
  }

  get isOpen(): boolean {
    return this.#open && !this.#closed
  }

  /** Resolves when the stream takes more, or when the channel is closed. */
  async drained(): Promise<void> {
    if (this.#closed || this.#mux.drained) return
    await new Promise<void>((resolve) => this.#waiting.add(resolve))
  }

  close(): void {
    if (this.#closed) return
    this.#channel?.close()
    this.#ended()
  }

  #opened(): void {
    if (this.#closed) return
    this.#open = true
    try {
      this.#options.onOpen()
    } catch (error) {
      this.#options.onFault(error)
    }
  }

  #ended(): void {
    if (this.#closed) return
    this.#closed = true
    this.#wake()
    this.#options.onClose(this.#open)
  }

  /** Whoever sends is in the middle of something. */
  #overflow(): void {
    this.#overflowed = true
    queueMicrotask(() => {
      if (!this.#closed) this.#options.onFault(new UnreadError('the device does not read what it is sent'))
    })
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }
}

/** Bytes that a stream holds until it can send them; streamx has no public name for them. */
export function waitingIn(stream: unknown): number {
  // SAFETY: it is only read, and a stream that has none counts as empty.
  const { _writableState } = stream as { readonly _writableState?: { readonly buffered?: number } }
  return _writableState?.buffered ?? 0
}
