/** The wire messages: what is encoded is decoded, what is beyond a limit is refused. */
import { randomBytes } from 'node:crypto'
import c from 'compact-encoding'
import type { Encoding } from 'compact-encoding'
import fc from 'fast-check'
import test from 'brittle'
import type { ChunkId, ContentId, DriveKey, FolderId, ObjectId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import { decodeInvite, encodeInvite, inviterKeyPair, pairingInvite } from '../../daemon/net/invite-code.ts'
import type { KeptVersion } from '../../daemon/ports.ts'
import * as wire from '../../daemon/net/protocol.ts'
import type { RecordHash } from '../../daemon/net/records.ts'
import * as runs from '../../daemon/net/run-protocol.ts'

const FOLDER = 'ab'.repeat(32) as FolderId
const ID = Buffer.alloc(32, 7).toString('base64url')
const REPORT = { state: 'paused', dirty: true, drive: 'cd'.repeat(32) as DriveKey, length: 300, blocked: ['a/ä'] } as const
const RECORD = { body: Buffer.from('{}'), signature: Buffer.alloc(64, 1) }

interface Row<T> {
  readonly name: string
  readonly encoding: Encoding<T>
  readonly value: T
  readonly hex: string
}

function row<T>(name: string, encoding: Encoding<T>, value: T, hex: string): Row<unknown> {
  return { name, encoding, value, hex } as Row<unknown>
}

const x = (hex: string, count: number): string => hex.repeat(count)
const RECORD_HEX = `027b7d40${x('01', 64)}`
const REPORT_HEX = `0303${x('cd', 32)}fd2c010104612fc3a4`

const KEPT_FILE: KeptVersion = {
  path: 'a' as PathKey,
  content: { kind: 'file', size: 300, mode: 0o644, mtime: '1000', cid: ID as ContentId, chunk: ID as ChunkId },
  writer: '0123456789abcdef' as WriterId,
  at: 300,
  reason: 'deleted',
}
const KEPT_LINK: KeptVersion = { path: 'a' as PathKey, content: { kind: 'symlink', mtime: '-1', target: 'b' }, writer: null, at: 0, reason: 'replaced' }
const KEPT_FILE_HEX = `060161${'0431303030'}fda401fd2c01${x('07', 32)}${x('07', 32)}0123456789abcdeffd2c0101`
const KEPT_LINK_HEX = '010161022d3101620000'

/** The golden rows: a change here is a change of the protocol. */
const ROWS = [
  row('hello', wire.hello, { version: 1, session: x('0f', 16), port: 4000, digest: Buffer.alloc(32, 2) }, `01${x('0f', 16)}fda00f${x('02', 32)}`),
  row('have', wire.have, { hashes: [ID as RecordHash] }, `01${x('07', 32)}`),
  row('records', wire.records, { more: true, records: [RECORD] }, `0101${RECORD_HEX}`),
  row('heads', wire.heads, { folder: FOLDER, heads: [{ key: 'cd'.repeat(32) as DriveKey, length: 5, fork: 0, treeHash: x('ee', 32) }] }, `${x('ab', 32)}01${x('cd', 32)}0500${x('ee', 32)}`),
  row('report', wire.report, { folder: FOLDER, report: REPORT }, `${x('ab', 32)}${REPORT_HEX}`),
  row('report of a move', wire.report, { folder: FOLDER, report: { ...REPORT, moved: { from: 'a/ä' as PathKey, to: 'b' as PathKey } } }, `${x('ab', 32)}${REPORT_HEX.replace('0303', '0307')}04612fc3a40162`),
  row('report of what is gone', wire.report, { folder: FOLDER, report: { ...REPORT, gone: ['a/ä' as PathKey, 'b' as PathKey] } }, `${x('ab', 32)}${REPORT_HEX.replace('0303', '0313')}0204612fc3a40162`),
  row('report with what is foretold', wire.report, { folder: FOLDER, report: { ...REPORT, foretold: [{ cid: ID as ContentId, size: 300 }] } }, `${x('ab', 32)}${REPORT_HEX.replace('0303', '030b')}01${x('07', 32)}fd2c01`),
  row('settle', wire.settle, { id: 9, folder: FOLDER }, `09${x('ab', 32)}`),
  row('settled', wire.settled, { id: 9, report: REPORT }, `0901${REPORT_HEX}`),
  row('settled, failed', wire.settled, { id: 9, error: 'no' }, '0900026e6f'),
  row('history', wire.history, { id: 9, folder: FOLDER, query: { path: 'a/ä' as PathKey, after: 300 } }, `0109${x('ab', 32)}04612fc3a4fd2c01`),
  row('history of all', wire.history, { id: 9, folder: FOLDER, query: { path: null, after: 0 } }, `0109${x('ab', 32)}0000`),
  row('versions', wire.versions, { id: 9, more: true, versions: [KEPT_FILE, KEPT_LINK] }, `01090102${KEPT_FILE_HEX}${KEPT_LINK_HEX}`),
  row('goodbye', wire.goodbye, { records: [RECORD] }, `01${RECORD_HEX}`),
  row('probe', wire.probe, { id: 9, drive: 'cd'.repeat(32) as DriveKey, length: 300 }, `09${x('cd', 32)}fd2c01`),
  row('tree hash', wire.treeHashAt, { id: 9, hash: x('ee', 32) }, `0901${x('ee', 32)}`),
  row('tree hash, unknown', wire.treeHashAt, { id: 9, hash: null }, '0900'),
  row('cloned', wire.cloned, { session: '0f'.repeat(16), signature: Buffer.alloc(64, 1) }, `${x('0f', 16)}${x('01', 64)}`),
  row('cloned, of an older device', wire.cloned, null, ''),
  row('seen', wire.seen, { other: '0f'.repeat(16) }, x('0f', 16)),
  row('living', wire.living, { other: '0f'.repeat(16), signature: Buffer.alloc(64, 1) }, `${x('0f', 16)}${x('01', 64)}`),
  row('want', wire.want, { id: 1, folder: FOLDER, ids: [ID as ObjectId] }, `01${x('ab', 32)}01${x('07', 32)}`),
  row('data', wire.data, { id: 1, objects: [[ID as ObjectId, Buffer.from('hi')]] }, `0101${x('07', 32)}026869`),
  row('nack', wire.nack, { id: 1, ids: [ID as ObjectId] }, `0101${x('07', 32)}`),
  row('cancel', wire.cancel, { id: 1 }, '01'),
  row('run offer', runs.offer, { drive: 'cd'.repeat(32) as DriveKey, fork: 0, length: 300 }, `${x('cd', 32)}00fd2c01`),
  row('run ask', runs.ask, { id: 9, drive: 'cd'.repeat(32) as DriveKey, fork: 0, start: 300, signer: true }, `09${x('cd', 32)}00fd2c0101`),
  row('run blocks', runs.blocks, { id: 9, blocks: [Buffer.from('hi'), Buffer.from('')] }, '090202686900'),
  row('run end', runs.end, { id: 9, signature: Buffer.alloc(64, 1), signer: null }, `0940${x('01', 64)}00`),
  row('run end, with its signer', runs.end, { id: 9, signature: Buffer.alloc(64, 1), signer: Buffer.from('hi') }, `0940${x('01', 64)}01026869`),
  row(
    'run push',
    runs.push,
    { drive: 'cd'.repeat(32) as DriveKey, fork: 0, start: 300, blocks: [Buffer.from('hi')], signature: Buffer.alloc(64, 1) },
    `${x('cd', 32)}00fd2c010102686940${x('01', 64)}`
  ),
  row('run ahead', runs.ahead, { drive: 'cd'.repeat(32) as DriveKey, files: [{ mode: 0o644, mtime: '-5', bytes: Buffer.from('ab') }] }, `${x('cd', 32)}01fda401022d35026162`),
  row('run, none', runs.none, { id: 9 }, '09'),
  row('handover', wire.handoverPart, { more: false, group: Buffer.alloc(32, 3), records: [RECORD] }, `00${x('03', 32)}01${RECORD_HEX}`),
]

test('protocol: the bytes of every message stay', (t) => {
  for (const { name, encoding, value, hex } of ROWS) {
    t.is(c.encode(encoding, value).toString('hex'), hex, name)
    t.alike(c.decode(encoding, Buffer.from(hex, 'hex')), value, `${name}, back`)
  }
})

test('protocol: any bytes are a message or an error, never more memory than they deserve', (t) => {
  for (const { encoding, hex } of ROWS) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat({ max: hex.length / 2 }), (noise, keep) => {
        const bytes = Buffer.concat([Buffer.from(hex, 'hex').subarray(0, keep), noise])
        try {
          c.decode(encoding, bytes)
        } catch (error) {
          if (!(error instanceof Error)) throw error
        }
      }),
      { numRuns: 200 },
    )
  }
  const huge = Buffer.from(`01${x('ab', 32)}ff${x('ff', 8)}`, 'hex')
  t.exception(() => c.decode(wire.want, huge))
  t.exception(() => c.decode(runs.blocks, Buffer.from(`09feffffff7f${x('00', 40)}`, 'hex')))
  t.exception(() => c.decode(runs.end, Buffer.from(`09fd0004${x('00', 40)}`, 'hex')))
  t.exception(() => c.decode(runs.push, Buffer.from(`${x('cd', 32)}000011${x('00', 40)}`, 'hex')), 'more blocks than a push has')
  t.exception(() => c.decode(wire.data, Buffer.from(`01feffffff7f${x('00', 40)}`, 'hex')))
})

test('protocol: records go in messages of about a MiB', (t) => {
  const all = Array.from({ length: 30 }, () => ({ body: randomBytes(100_000), signature: Buffer.alloc(64) }))
  const messages = [...wire.inMessages(all)]
  t.is(messages.flatMap((message) => message.records).length, 30)
  t.alike(messages.map((message) => message.more), [true, true, false])
  t.ok(messages.every((message) => c.encode(wire.records, message).length < 1.2 * 1024 * 1024))
  t.alike([...wire.inMessages([])], [{ more: false, records: [] }])
})

test('invite code: its form stays, and what derives from it', (t) => {
  const code = { secret: Buffer.alloc(16, 5), expiresAt: 1_800_000_000_000, addresses: [{ host: '192.168.1.20', port: 49737 }] }
  const text = encodeInvite(code)
  t.is(text, 'yrnokbefywnokbefywnokbefywnobw1jpcyhbkybntrhfbyzexny')
  t.alike(decodeInvite(text), code)
  t.is(inviterKeyPair(code.secret).publicKey.toString('hex'), '987be08983ad61e1d3f11ed5f5e6c8f685e4e12ea96a9154489435a8b0509eac')
  t.is(pairingInvite(code.secret).discoveryKey.toString('hex'), '4434ac88e2939501c2ff74c654b80eaf4a5f285619f000d36b516f3e7c9f309d')
})
