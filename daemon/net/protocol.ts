/**
 * The whole vocabulary between two members, on one Noise stream (protomux). docs/protocol.md is written from this file.
 *
 *     channel p2psync/control/1     0 hello · 1 have · 2 records · 3 heads · 4 report · 5 settle · 6 settled · 7 goodbye
 *                                   8 history · 9 versions · 10 probe · 11 tree hash
 *                                   12 cloned · 13 seen · 14 living
 *     channel p2psync/chunk/1       0 want · 1 data · 2 nack · 3 cancel
 *     channel p2psync/runs/2        0 offer · 1 ask · 2 blocks · 3 end · 4 none · 5 push · 6 ahead   (run-protocol.ts)
 *     channel p2psync/join/1        0 handover   (a newcomer opens it, a member answers)
 *
 * Integers are compact-encoding uints, ids are 32 raw bytes, texts are UTF-8 with their length first. A change that an older
 * device cannot read is a new channel name. Decoders throw on anything that is not within the limits, and protomux then ends the
 * connection. Cores replicate beside these channels with their own protocol.
 */
import c from 'compact-encoding'
import type { Encoding, State } from 'compact-encoding'
import { MAX_FORETOLD, MAX_GONE, MAX_PATH_BYTES, MAX_TARGET_BYTES, MAX_WANT_OBJECTS } from '../../base/limits.ts'
import type { DriveHead, FolderActivity, FolderReport, Foretold, HistoryQuery, KeptFile, KeptVersion } from '../ports.ts'
import { parsePath } from '../sync/path.ts'
import type { ChunkId, ContentId, DriveKey, FolderId, ObjectId, PathKey, WriterId } from '../sync/ids.ts'
import { bytes, encoding, idEncoding, known, limited, list, nanoseconds, text } from './codec.ts'
import { SIGNATURE_BYTES } from './crypto.ts'
import { MAX_BLOCKED_PATHS, MAX_GOODBYE_RECORDS, MAX_HEADS, MAX_MESSAGE_BYTES, MAX_VERSIONS_IN_MESSAGE, MAX_RECORD_BYTES, MAX_RECORDS } from './limits.ts'
import type { RecordHash, SignedRecord } from './records.ts'
import type { Life } from './sessions.ts'

/** 2: drive records show whose they are, a clone is shown. Of another version nothing is taken but the hello, which stays as it is. */
export const PROTOCOL_VERSION = 2
export const CONTROL_PROTOCOL = 'p2psync/control/1'
export const CHUNK_PROTOCOL = 'p2psync/chunk/1'
export const JOIN_PROTOCOL = 'p2psync/join/1'

/** First on the control channel; nothing else is sent or taken before it. */
export interface Hello {
  readonly version: number
  /** 16 random bytes of this start of the daemon, hex (R30). */
  readonly session: string
  /** UDP port that can be dialled, 0 if unknown. */
  readonly port: number
  /** Of all group records known. */
  readonly digest: Buffer
}

/** Sent if the digests differ: all records I know. */
export interface Have {
  readonly hashes: readonly RecordHash[]
}

/** `more`: the set goes on in the next message; it is taken in as a whole. */
export interface Records {
  readonly more: boolean
  readonly records: readonly SignedRecord[]
}

/** Heads of all drives of a folder that the sender holds, before any core of it is attached (R17). */
export interface Heads {
  readonly folder: FolderId
  readonly heads: readonly DriveHead[]
}

export interface Report {
  readonly folder: FolderId
  readonly report: FolderReport
}

export interface Settle {
  readonly id: number
  readonly folder: FolderId
}

export type Settled = { readonly id: number } & ({ readonly report: FolderReport } | { readonly error: string })

/** What of a folder's history the receiver holds? */
export interface HistoryRequest {
  readonly id: number
  readonly folder: FolderId
  readonly query: HistoryQuery
}

/** `more`: further ones come in the next message. */
export interface Versions {
  readonly id: number
  readonly more: boolean
  readonly versions: readonly KeptVersion[]
}

/** The receiver was removed; these records prove it. The last message. */
export interface Goodbye {
  readonly records: readonly SignedRecord[]
}

/** What is the tree hash of this drive's db core at this length? */
export interface Probe {
  readonly id: number
  readonly drive: DriveKey
  readonly length: number
}

export interface TreeHash {
  readonly id: number
  /** Null: it cannot be told. */
  readonly hash: string | null
}

/** Another session of the receiver's device key, hex. */
export interface Seen {
  readonly other: string
}

/** By the sender's device key, that its session lives beside that other one (sessions.ts). */
export interface Living {
  readonly other: string
  readonly signature: Buffer
}

export interface Want {
  readonly id: number
  readonly folder: FolderId
  readonly ids: readonly ObjectId[]
}

export interface Data {
  readonly id: number
  readonly objects: readonly (readonly [id: ObjectId, bytes: Buffer])[]
}

/** These will not come: not here, or too much was asked. */
export interface Nack {
  readonly id: number
  readonly ids: readonly ObjectId[]
}

export interface Cancel {
  readonly id: number
}

/** The group, for a device that was just added to it; several messages while `more`. */
export interface HandoverPart {
  readonly more: boolean
  readonly group: Buffer
  readonly records: readonly SignedRecord[]
}

const ACTIVITIES: readonly FolderActivity[] = ['scanning', 'syncing', 'idle', 'paused', 'halted', 'decision']

// -------------------------------------------------------------------------------------------------- control channel

const folderId = idEncoding<FolderId>(32, 'hex')
const driveKey = idEncoding<DriveKey>(32, 'hex')
const objectId = idEncoding<ObjectId>(32, 'base64url')
const contentId = idEncoding<ContentId>(32, 'base64url')
const recordHash = idEncoding<RecordHash>(32, 'base64url')
const treeHash = idEncoding(32, 'hex')
const sessionId = idEncoding(16, 'hex')
const signature: Encoding<Buffer> = {
  preencode: c.fixed64.preencode,
  encode: c.fixed64.encode,
  // A copy, as of records.
  decode: (state) => Buffer.from(c.fixed64.decode(state)),
}

const signedRecord: Encoding<SignedRecord> = encoding(
  (out, record) => {
    out.put(bytes(MAX_RECORD_BYTES), record.body)
    out.put(bytes(SIGNATURE_BYTES), record.signature)
  },
  // Copies: what is kept must not hold on to the whole message.
  (state) => ({
    body: Buffer.from(bytes(MAX_RECORD_BYTES).decode(state)),
    signature: Buffer.from(whole(bytes(SIGNATURE_BYTES).decode(state))),
  }),
)

/** A record without one would be many times larger in memory than on the wire. */
function whole(given: Buffer): Buffer {
  if (given.length !== SIGNATURE_BYTES) throw new Error('a record without a whole signature')
  return given
}

const signedRecords = list(signedRecord, MAX_RECORDS)
const fewRecords = list(signedRecord, MAX_GOODBYE_RECORDS)

const driveHead: Encoding<DriveHead> = encoding(
  (out, head) => {
    out.put(driveKey, head.key)
    out.put(c.uint, head.length)
    out.put(c.uint, head.fork)
    out.put(treeHash, head.treeHash)
  },
  (state) => ({ key: driveKey.decode(state), length: c.uint.decode(state), fork: c.uint.decode(state), treeHash: treeHash.decode(state) }),
)

const DIRTY = 1
const HAS_DRIVE = 2
const HAS_MOVE = 4
const HAS_FORETOLD = 8
const HAS_GONE = 16

const foretold: Encoding<Foretold> = encoding(
  (out, content) => {
    out.put(contentId, content.cid)
    out.put(c.uint, content.size)
  },
  (state) => ({ cid: contentId.decode(state), size: c.uint.decode(state) }),
)

const treePaths: Encoding<readonly PathKey[]> = list(encoding((out, path) => out.put(text(MAX_PATH_BYTES), path), treePath), MAX_GONE)

const foretoldList = list(foretold, MAX_FORETOLD)

const folderReport: Encoding<FolderReport> = encoding(
  (out, report) => {
    out.put(c.uint, ACTIVITIES.indexOf(report.state))
    out.put(c.uint, (report.dirty ? DIRTY : 0) | (report.drive === null ? 0 : HAS_DRIVE) | (report.moved === undefined ? 0 : HAS_MOVE) | (report.foretold === undefined ? 0 : HAS_FORETOLD) | (report.gone === undefined ? 0 : HAS_GONE))
    if (report.drive !== null) out.put(driveKey, report.drive)
    out.put(c.uint, report.length)
    out.put(list(text(MAX_PATH_BYTES), MAX_BLOCKED_PATHS), report.blocked.slice(0, MAX_BLOCKED_PATHS))
    // Last, so that a device that does not know it reads the rest.
    if (report.moved !== undefined) for (const path of [report.moved.from, report.moved.to]) out.put(text(MAX_PATH_BYTES), path)
    if (report.foretold !== undefined) out.put(foretoldList, report.foretold)
    if (report.gone !== undefined) out.put(treePaths, report.gone)
  },
  (state) => {
    const activity = known(ACTIVITIES[c.uint.decode(state)])
    const flags = c.uint.decode(state)
    const drive = (flags & HAS_DRIVE) === 0 ? null : driveKey.decode(state)
    const length = c.uint.decode(state)
    const blocked = list(text(MAX_PATH_BYTES), MAX_BLOCKED_PATHS).decode(state)
    const moved = (flags & HAS_MOVE) === 0 ? {} : { moved: { from: treePath(state), to: treePath(state) } }
    const coming = (flags & HAS_FORETOLD) === 0 ? {} : { foretold: foretoldList.decode(state) }
    const gone = (flags & HAS_GONE) === 0 ? {} : { gone: treePaths.decode(state) }
    return { state: activity, dirty: (flags & DIRTY) !== 0, drive, length, blocked, ...moved, ...coming, ...gone }
  },
)

function treePath(state: Parameters<typeof c.uint.decode>[0]): PathKey {
  return known(parsePath(text(MAX_PATH_BYTES).decode(state)) ?? undefined)
}

export const hello: Encoding<Hello> = encoding(
  (out, message) => {
    out.put(c.uint, message.version)
    out.put(sessionId, message.session)
    out.put(c.uint, message.port)
    out.put(c.fixed32, message.digest)
  },
  (state) => ({
    version: c.uint.decode(state),
    session: sessionId.decode(state),
    port: limited(c.uint.decode(state), 65535),
    digest: c.fixed32.decode(state),
  }),
)

export const have: Encoding<Have> = encoding(
  (out, message) => out.put(list(recordHash, MAX_RECORDS), message.hashes),
  (state) => ({ hashes: list(recordHash, MAX_RECORDS).decode(state) }),
)

export const records: Encoding<Records> = encoding(
  (out, message) => {
    out.put(c.bool, message.more)
    out.put(signedRecords, message.records)
  },
  (state) => ({ more: c.bool.decode(state), records: signedRecords.decode(state) }),
)

export const heads: Encoding<Heads> = encoding(
  (out, message) => {
    out.put(folderId, message.folder)
    out.put(list(driveHead, MAX_HEADS), message.heads)
  },
  (state) => ({ folder: folderId.decode(state), heads: list(driveHead, MAX_HEADS).decode(state) }),
)

export const report: Encoding<Report> = encoding(
  (out, message) => {
    out.put(folderId, message.folder)
    out.put(folderReport, message.report)
  },
  (state) => ({ folder: folderId.decode(state), report: folderReport.decode(state) }),
)

export const settle: Encoding<Settle> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(folderId, message.folder)
  },
  (state) => ({ id: c.uint.decode(state), folder: folderId.decode(state) }),
)

export const settled: Encoding<Settled> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(c.bool, 'report' in message)
    if ('report' in message) out.put(folderReport, message.report)
    else out.put(text(1024), message.error.slice(0, 250))
  },
  (state) => {
    const id = c.uint.decode(state)
    return c.bool.decode(state) ? { id, report: folderReport.decode(state) } : { id, error: text(1024).decode(state) }
  },
)

/** The last time that a `Date` can hold and show. */
const MAX_DATE_MS = 8.64e15
/** The form of a request and its answer; another one ends the connection. */
const HISTORY_FORM = 1
const REASONS: readonly KeptVersion['reason'][] = ['replaced', 'deleted', 'conflict', 'recovered']
const IS_LINK = 1
const HAS_CHUNK = 2
const HAS_WRITER = 4

const chunkId = idEncoding<ChunkId>(32, 'base64url')
const writerId = idEncoding<WriterId>(8, 'hex')
const pathText = text(MAX_PATH_BYTES)

const keptVersion: Encoding<KeptVersion> = encoding(
  (out, { path, content, writer, at, reason }) => {
    const chunk = content.kind === 'file' ? content.chunk : undefined
    out.put(c.uint, (content.kind === 'symlink' ? IS_LINK : 0) | (chunk === undefined ? 0 : HAS_CHUNK) | (writer === null ? 0 : HAS_WRITER))
    out.put(pathText, path)
    out.put(nanoseconds, content.mtime)
    if (content.kind === 'symlink') out.put(text(MAX_TARGET_BYTES), content.target)
    else {
      out.put(c.uint, content.mode)
      out.put(c.uint, content.size)
      out.put(contentId, content.cid)
      if (chunk !== undefined) out.put(chunkId, chunk)
    }
    if (writer !== null) out.put(writerId, writer)
    out.put(c.uint, at)
    out.put(c.uint, REASONS.indexOf(reason))
  },
  (state) => {
    const flags = c.uint.decode(state)
    const path = validPath(pathText.decode(state))
    const mtime = nanoseconds.decode(state)
    const content = (flags & IS_LINK) !== 0 ? { kind: 'symlink' as const, mtime, target: text(MAX_TARGET_BYTES).decode(state) } : keptFile(state, flags, mtime)
    const writer = (flags & HAS_WRITER) === 0 ? null : writerId.decode(state)
    return { path, content, writer, at: limited(c.uint.decode(state), MAX_DATE_MS), reason: known(REASONS[c.uint.decode(state)]) }
  },
)

function keptFile(state: State, flags: number, mtime: string): KeptFile {
  const mode = limited(c.uint.decode(state), 0o777)
  const size = c.uint.decode(state)
  const cid = contentId.decode(state)
  return { kind: 'file', mtime, mode, size, cid, ...((flags & HAS_CHUNK) === 0 ? {} : { chunk: chunkId.decode(state) }) }
}

function validPath(value: string): PathKey {
  const path = parsePath(value)
  if (path === null) throw new Error('a path is none')
  return path
}

export const history: Encoding<HistoryRequest> = encoding(
  (out, { id, folder, query }) => {
    out.put(c.uint, HISTORY_FORM)
    out.put(c.uint, id)
    out.put(folderId, folder)
    out.put(pathText, query.path ?? '')
    out.put(c.uint, query.after)
  },
  (state) => {
    expectForm(c.uint.decode(state))
    const id = c.uint.decode(state)
    const folder = folderId.decode(state)
    const path = pathText.decode(state)
    return { id, folder, query: { path: path === '' ? null : validPath(path), after: c.uint.decode(state) } }
  },
)

export const versions: Encoding<Versions> = encoding(
  (out, message) => {
    out.put(c.uint, HISTORY_FORM)
    out.put(c.uint, message.id)
    out.put(c.bool, message.more)
    out.put(list(keptVersion, MAX_VERSIONS_IN_MESSAGE), message.versions)
  },
  (state) => {
    expectForm(c.uint.decode(state))
    return { id: c.uint.decode(state), more: c.bool.decode(state), versions: list(keptVersion, MAX_VERSIONS_IN_MESSAGE).decode(state) }
  },
)

function expectForm(form: number): void {
  if (form !== HISTORY_FORM) throw new Error(`an unknown form ${form} of history`)
}

export const goodbye: Encoding<Goodbye> = encoding(
  (out, message) => out.put(fewRecords, message.records),
  (state) => ({ records: fewRecords.decode(state) }),
)

export const probe: Encoding<Probe> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(driveKey, message.drive)
    out.put(c.uint, message.length)
  },
  (state) => ({ id: c.uint.decode(state), drive: driveKey.decode(state), length: c.uint.decode(state) }),
)

export const treeHashAt: Encoding<TreeHash> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(c.bool, message.hash !== null)
    if (message.hash !== null) out.put(treeHash, message.hash)
  },
  (state) => ({ id: c.uint.decode(state), hash: c.bool.decode(state) ? treeHash.decode(state) : null }),
)

/** Another daemon with your device key lives (R30): what it signed for your session. Null, without a byte: the bare word of a build from before there was proof. */
export const cloned: Encoding<Life | null> = encoding(
  (out, life) => {
    if (life === null) return
    out.put(sessionId, life.session)
    out.put(signature, life.signature)
  },
  (state) => (state.start === state.end ? null : { session: sessionId.decode(state), signature: signature.decode(state) }),
)

/** This session of your device key was here as well: sign for it that you live. */
export const seen: Encoding<Seen> = encoding(
  (out, { other }) => out.put(sessionId, other),
  (state) => ({ other: sessionId.decode(state) }),
)

/** The answer. */
export const living: Encoding<Living> = encoding(
  (out, message) => {
    out.put(sessionId, message.other)
    out.put(signature, message.signature)
  },
  (state) => ({ other: sessionId.decode(state), signature: signature.decode(state) }),
)

// -------------------------------------------------------------------------------------------------- chunk channel

const objectIds = list(objectId, MAX_WANT_OBJECTS)
/** One object is at most one chunk of the large class. */
const objectBytes = bytes(4 * MAX_MESSAGE_BYTES)

export const want: Encoding<Want> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(folderId, message.folder)
    out.put(objectIds, message.ids)
  },
  (state) => ({ id: c.uint.decode(state), folder: folderId.decode(state), ids: objectIds.decode(state) }),
)

const object: Encoding<readonly [ObjectId, Buffer]> = encoding(
  (out, [id, data]) => {
    out.put(objectId, id)
    out.put(objectBytes, data)
  },
  (state) => [objectId.decode(state), objectBytes.decode(state)],
)

export const data: Encoding<Data> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(list(object, MAX_WANT_OBJECTS), message.objects)
  },
  (state) => ({ id: c.uint.decode(state), objects: list(object, MAX_WANT_OBJECTS).decode(state) }),
)

export const nack: Encoding<Nack> = encoding(
  (out, message) => {
    out.put(c.uint, message.id)
    out.put(objectIds, message.ids)
  },
  (state) => ({ id: c.uint.decode(state), ids: objectIds.decode(state) }),
)

export const cancel: Encoding<Cancel> = encoding(
  (out, message) => out.put(c.uint, message.id),
  (state) => ({ id: c.uint.decode(state) }),
)

// -------------------------------------------------------------------------------------------------- join channel

export const handoverPart: Encoding<HandoverPart> = encoding(
  (out, message) => {
    out.put(c.bool, message.more)
    out.put(c.fixed32, message.group)
    out.put(signedRecords, message.records)
  },
  (state) => ({ more: c.bool.decode(state), group: Buffer.from(c.fixed32.decode(state)), records: signedRecords.decode(state) }),
)

/** Cuts records into messages of at most 1 MiB (one record may be larger than its share, never than its own limit). */
export function* inMessages(all: readonly SignedRecord[]): Generator<Records> {
  let batch: SignedRecord[] = []
  let size = 0
  for (const record of all) {
    const cost = record.body.length + record.signature.length + 16
    if (batch.length > 0 && size + cost > MAX_MESSAGE_BYTES) {
      yield { more: true, records: batch }
      batch = []
      size = 0
    }
    batch.push(record)
    size += cost
  }
  yield { more: false, records: batch }
}
