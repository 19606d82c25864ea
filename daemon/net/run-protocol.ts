/**
 * Messages of `p2psync/runs/2`: logs of drives in many blocks at once. docs/protocol.md is written from this file too.
 *
 *     0 offer · 1 ask · 2 blocks · 3 end · 4 none · 5 push · 6 ahead
 *
 * An older device does not know the channel; between the two, db cores grow by Hypercore's own replication.
 */
import c from 'compact-encoding'
import type { Encoding } from 'compact-encoding'
import { FRESH_CHUNK_BYTES, FRESH_CHUNKS, MAX_RUN_BLOCK_BYTES, MAX_RUN_BLOCKS } from '../../base/limits.ts'
import type { FreshFile, RunRequest } from '../ports.ts'
import type { DriveKey } from '../sync/ids.ts'
import { bytes, encoding, idEncoding, limited, list, nanoseconds } from './codec.ts'
import { MAX_SIGNATURE_BYTES, MAX_SIGNER_BYTES, PUSH_BLOCKS } from './limits.ts'

export const RUNS_PROTOCOL = 'p2psync/runs/2'

/** I hold this drive's db core whole, up to this length. */
export interface Offer {
  readonly drive: DriveKey
  readonly fork: number
  readonly length: number
}

/** Send me its blocks from `start` on. */
export interface Ask extends RunRequest {
  readonly id: number
  readonly drive: DriveKey
}

/** Some of them, in order. */
export interface Blocks {
  readonly id: number
  readonly blocks: readonly Buffer[]
}

/** That was all of this run; this proves it. */
export interface End {
  readonly id: number
  readonly signature: Buffer
  readonly signer: Buffer | null
}

/** There is no such run here. */
export interface None {
  readonly id: number
}

/** An offer of its author's up to the end of these blocks, with what that offer would be answered with. */
export interface Push {
  readonly drive: DriveKey
  readonly fork: number
  readonly start: number
  readonly blocks: readonly Buffer[]
  readonly signature: Buffer
}

/** Its author is about to state these in this drive. */
export interface Ahead {
  readonly drive: DriveKey
  readonly files: readonly FreshFile[]
}

const driveKey = idEncoding<DriveKey>(32, 'hex')
const pushedBlocks = list(bytes(MAX_RUN_BLOCK_BYTES), PUSH_BLOCKS)
const freshFile: Encoding<FreshFile> = encoding(
  (out, file) => {
    out.put(c.uint, file.mode)
    out.put(nanoseconds, file.mtime)
    out.put(bytes(FRESH_CHUNK_BYTES), file.bytes)
  },
  (state) => ({ mode: limited(c.uint.decode(state), 0o777), mtime: nanoseconds.decode(state), bytes: bytes(FRESH_CHUNK_BYTES).decode(state) }),
)

const freshFiles = list(freshFile, FRESH_CHUNKS)

export const offer: Encoding<Offer> = encoding(
  (out, message) => {
    out.put(driveKey, message.drive)
    out.put(c.uint, message.fork)
    out.put(c.uint, message.length)
  },
  (state) => ({ drive: driveKey.decode(state), fork: c.uint.decode(state), length: c.uint.decode(state) }),
)

export const ask: Encoding<Ask> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(driveKey, message.drive)
    out.put(c.uint, message.fork)
    out.put(c.uint, message.start)
    out.put(c.bool, message.signer)
  },
  (state) => ({
    id: c.uint.decode(state),
    drive: driveKey.decode(state),
    fork: c.uint.decode(state),
    start: c.uint.decode(state),
    signer: c.bool.decode(state),
  }),
)

export const blocks: Encoding<Blocks> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(list(bytes(MAX_RUN_BLOCK_BYTES), MAX_RUN_BLOCKS), message.blocks)
  },
  (state) => ({ id: c.uint.decode(state), blocks: list(bytes(MAX_RUN_BLOCK_BYTES), MAX_RUN_BLOCKS).decode(state) }),
)

export const end: Encoding<End> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(bytes(MAX_SIGNATURE_BYTES), message.signature)
    out.put(c.bool, message.signer !== null)
    if (message.signer !== null) out.put(bytes(MAX_SIGNER_BYTES), message.signer)
  },
  // Copies: they are kept, the signature for good, and must not hold on to the whole message.
  (state) => ({
    id: c.uint.decode(state),
    signature: Buffer.from(bytes(MAX_SIGNATURE_BYTES).decode(state)),
    signer: c.bool.decode(state) ? Buffer.from(bytes(MAX_SIGNER_BYTES).decode(state)) : null,
  }),
)

export const none: Encoding<None> = encoding(
  (out, message) => out.put(c.uint, message.id),
  (state) => ({ id: c.uint.decode(state) }),
)

export const push: Encoding<Push> = encoding(
  (out, message) => {
    out.put(driveKey, message.drive)
    out.put(c.uint, message.fork)
    out.put(c.uint, message.start)
    out.put(pushedBlocks, message.blocks)
    out.put(bytes(MAX_SIGNATURE_BYTES), message.signature)
  },
  (state) => ({
    drive: driveKey.decode(state),
    fork: c.uint.decode(state),
    start: c.uint.decode(state),
    blocks: pushedBlocks.decode(state),
    signature: Buffer.from(bytes(MAX_SIGNATURE_BYTES).decode(state)),
  }),
)

export const ahead: Encoding<Ahead> = encoding(
  (out, message) => {
    out.put(driveKey, message.drive)
    out.put(freshFiles, message.files)
  },
  (state) => ({ drive: driveKey.decode(state), files: freshFiles.decode(state) }),
)
