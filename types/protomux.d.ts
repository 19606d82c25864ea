declare module 'protomux' {
  import type { Encoding } from 'compact-encoding'

  export interface MessageOptions<T> {
    encoding: Encoding<T>
    onmessage?: (message: T, channel: Channel) => unknown
  }

  export interface Message<T> {
    /** False if the stream is full: wait for `ondrain`. Also false once the channel is closed. */
    send(message: T): boolean
  }

  export interface Channel {
    readonly opened: boolean
    readonly closed: boolean
    readonly drained: boolean
    open(handshake?: unknown): void
    close(): void
    addMessage<T>(options: MessageOptions<T>): Message<T>
    fullyOpened(): Promise<boolean>
  }

  export interface ChannelOptions {
    protocol: string
    id?: Buffer | null
    unique?: boolean
    onopen?: () => unknown
    onclose?: (isRemote: boolean) => unknown
    ondestroy?: () => unknown
    ondrain?: () => unknown
  }

  class Protomux {
    static from(stream: unknown): Protomux
    readonly stream: unknown
    readonly drained: boolean
    /** Null if the stream is destroyed or the channel is open already. */
    createChannel(options: ChannelOptions): Channel | null
    pair(key: { protocol: string; id?: Buffer | null }, notify: () => unknown): void
    unpair(key: { protocol: string; id?: Buffer | null }): void
  }

  export default Protomux
}
