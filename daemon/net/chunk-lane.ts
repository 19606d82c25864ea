/** The chunk channel on one stream, both sides of it: asking the peer and answering it. A link has one; TCP gives it a second, faster one. */
import type { Clock, Log } from '../ports.ts'
import type { FolderId, ObjectId } from '../sync/ids.ts'
import { Channel } from './channel.ts'
import { ChunkClient } from './chunk-client.ts'
import type { OnObject } from './chunk-client.ts'
import { ChunkServer } from './chunk-server.ts'
import { CHUNK_PROTOCOL } from './protocol.ts'
import * as wire from './protocol.ts'

export interface ChunkLaneOptions {
  readonly stream: unknown
  readonly clock: Clock
  readonly log: Log
  /** INVARIANT 7: asked at the moment of each answer. */
  allowed(): boolean
  serve(folder: FolderId, id: ObjectId): Promise<Buffer | null>
  /** Bytes that the stream has brought so far. */
  heard(): number
  /** So many bytes of objects came, or went. */
  streamed(bytes: number): void
  /** `opened` is false if the peer does not know the channel. */
  onClose(opened: boolean): void
  onFault(error: unknown): void
}

export class ChunkLane {
  readonly #channel: Channel
  readonly #client: ChunkClient
  readonly #server: ChunkServer

  constructor(options: ChunkLaneOptions) {
    const { clock, log, allowed, serve, streamed } = options
    const channel: Channel = new Channel(options.stream, {
      protocol: CHUNK_PROTOCOL,
      onOpen: () => undefined,
      onClose: (opened) => options.onClose(opened),
      onFault: (error) => options.onFault(error),
    })
    const want = channel.message(wire.want, (message) => server.onWant(message))
    const data = channel.message(wire.data, (message) => {
      streamed(bytesOf(message))
      client.onData(message)
    })
    const nack = channel.message(wire.nack, (message) => client.onNack(message))
    const cancel = channel.message(wire.cancel, (message) => server.onCancel(message))
    const send = (message: wire.Data): boolean => {
      streamed(bytesOf(message))
      return data(message)
    }
    const client = new ChunkClient({ want, cancel }, clock, () => options.heard())
    const server = new ChunkServer(
      { data: (message) => allowed() && send(message), nack, drained: () => channel.drained() },
      async (folder, id) => (allowed() ? serve(folder, id) : null),
      log,
    )
    this.#channel = channel
    this.#client = client
    this.#server = server
    channel.start()
  }

  get isOpen(): boolean {
    return this.#channel.isOpen
  }

  want(folder: FolderId, ids: readonly ObjectId[], onObject: OnObject, signal: AbortSignal): Promise<void> {
    return this.#client.want(folder, ids, onObject, signal)
  }

  /** Everything that is under way fails. */
  close(): void {
    this.#client.end(new Error('the connection to the device ended'))
    this.#server.end()
    this.#channel.close()
  }
}

function bytesOf({ objects }: wire.Data): number {
  let bytes = 0
  for (const [, object] of objects) bytes += object.length
  return bytes
}
