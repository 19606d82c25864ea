/** Handlers without a daemon behind them, and a server with them on a socket in the test's own folder. */
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { P2psyncError } from '../../base/errors.ts'
import { silentLog } from '../../base/log.ts'
import { EventRing } from '../../rpc/events.ts'
import type { CallContext, DeviceInfo, FolderRef, FolderStatus, Handlers, ListedFolder, Method, StatusDocument } from '../../rpc/schema.ts'
import { startServer } from '../../rpc/server.ts'

export const FOLDER_ID = 'f0'.repeat(32)
export const DEVICE_ID = 'd0'.repeat(32)
export const PEER_ID = 'd1'.repeat(32)
const NOTHING = { files: 0, bytes: 0, deletes: 0 }
const TIME = '2024-05-06T07:08:09.000Z'

export const folder: FolderRef = { id: FOLDER_ID, name: 'docs', path: '/home/ana/Docs', state: 'idle' }
const away = { connected: false, address: null, transport: null, lastSeen: null, rxBytes: 0, txBytes: 0 }
const self: DeviceInfo = { id: DEVICE_ID, name: 'laptop', self: true, ...away }
const peer: DeviceInfo = { id: PEER_ID, name: 'nas', self: false, connected: true, address: '192.168.1.5:49737', transport: 'udx', lastSeen: TIME, rxBytes: 10, txBytes: 20 }

export const folderStatus: FolderStatus = {
  ...folder,
  reason: null,
  files: 1234,
  directories: 1,
  bytes: 9_876_543,
  need: NOTHING,
  conflicts: 2,
  problems: [{ path: 'bad\u001b[2Jname', code: 'special-file', message: 'a FIFO is not synced' }],
  notices: [],
  storeBytes: 0,
  historyBytes: 0,
  devices: [{ id: PEER_ID, need: { files: 3, bytes: 1_200_000, deletes: 1 }, inSync: false }],
}

export const status: StatusDocument = {
  schema: 1,
  device: { id: DEVICE_ID, name: 'laptop' },
  reason: null,
  devices: [{ id: PEER_ID, name: 'nas', connected: true, address: '192.168.1.5:49737', transport: 'udx', lastSeen: TIME, rxBytes: 10, txBytes: 20 }],
  folders: [folderStatus],
}

const listed: ListedFolder = { id: FOLDER_ID, name: 'docs', path: '/home/ana/Docs', state: 'idle', devices: [DEVICE_ID, PEER_ID] }
const version = { kind: 'file', size: 3, mtime: TIME, device: { id: PEER_ID, name: 'nas' } } as const

/** Names one folder: `docs`, its id, or a path in it. */
function known(selector: string | undefined): void {
  if (selector === undefined || selector === 'docs' || FOLDER_ID.startsWith(selector) || selector.startsWith('/home/ana/Docs')) return
  throw new P2psyncError('FOLDER_UNKNOWN', `there is no folder ${JSON.stringify(selector)}; \`p2psync list\` shows them`)
}

export function fakeHandlers(overrides: Partial<Handlers> = {}): Handlers {
  const one = async (params: { folder?: string | undefined }): Promise<{ folders: FolderRef[] }> => {
    known(params.folder)
    return { folders: [folder] }
  }
  return {
    'daemon.status': async () => ({ pid: process.pid, version: '0.0.0', startedAt: TIME, uptimeMs: 1, home: '/home', logFile: null }),
    'daemon.stop': async () => ({ pid: process.pid }),
    'daemon.doctor': async () => ({ checks: [{ name: 'clock', state: 'ok', message: 'it runs' }, { name: 'disk', state: 'warn', message: 'little is left' }] }),
    'status.get': async (params) => {
      known(params.folder)
      return status
    },
    'folders.list': async (params) => ({ folders: [params.keys === true ? { ...listed, drives: [{ device: DEVICE_ID, key: FOLDER_ID, encryptionKey: FOLDER_ID }] } : listed] }),
    'folders.add': async (params) => ({ folder: { ...folder, path: params.path, name: params.name ?? 'docs' }, joined: params.join !== undefined }),
    'folders.remove': async (params) => {
      known(params.folder)
      return { folder }
    },
    'folders.pause': one,
    'folders.resume': one,
    'folders.scan': one,
    'folders.sync': async () => ({ ok: true, outcome: 'in-sync', reason: null, blocked: [], absent: [], paused: [] }),
    'folders.check': async (params) => {
      known(params.folder)
      return { folder, checked: { paths: 3, files: 2, bytes: 9, blocks: 2, contents: 2, history: 1, statements: 3, treeNodes: 9 }, findings: [{ path: 'a\u001b[2J.txt', code: 'content-differs', message: 'other bytes', repaired: params.repair === true }], left: params.repair === true ? 0 : 1, busy: 1 }
    },
    'folders.conflicts': async () => ({ conflicts: [{ folder: FOLDER_ID, path: 'a.txt', copy: 'a.sync-conflict-abcdefghij.txt', this: version, other: version }] }),
    'folders.ignore': async (params) => ({ folder, patterns: ['*.tmp', ...(params.add ?? [])], problems: [] }),
    'folders.ignored': async (params) => ({ folder, path: params.path, ignored: true, rule: '*.tmp' }),
    'folders.history': async (params) => ({ folder, path: params.path, versions: [{ id: 'abcdef0123', kind: 'file', size: 3, mtime: TIME, device: null, current: false, holders: [{ device: { id: PEER_ID, name: 'nas' }, at: TIME, reason: 'deleted' }] }], silent: [] }),
    'folders.restore': async (params) => ({ folder, path: params.path, version: params.version, to: params.to ?? params.path }),
    'folders.restoreTree': async (params) => ({ folder, to: params.to, at: params.at, files: 1, directories: 0, bytes: 3, missing: [], silent: [] }),
    'folders.resolve': async (params) => ({ folder, path: 'a.txt', keep: params.keep, copies: [{ copy: 'a.sync-conflict-abcdefghij.txt', at: null }] }),
    'folders.approve': async () => ({ folder, here: 2, elsewhere: 0 }),
    'folders.reject': async () => ({ folder, here: 0, elsewhere: 2 }),
    'devices.list': async () => ({ devices: [self, peer] }),
    'devices.rename': async (params) => ({ device: { ...peer, name: params.name } }),
    'devices.remove': async () => ({ device: peer }),
    'devices.address': async (params) => ({ device: { ...peer, address: params.address } }),
    'invites.create': async () => ({ invite: 'code', expiresAt: TIME }),
    'invites.join': async () => ({ device: { id: DEVICE_ID, name: 'laptop' }, devices: [self, peer] }),
    'config.get': async () => ({ config: { deviceName: 'laptop', listenPort: null } }),
    'config.set': async (params) => ({ config: { [params.key]: params.value }, restart: true }),
    'log.level': async (params) => ({ level: params.level ?? 'info' }),
    ...overrides,
  }
}

/** One method that throws. */
export function refusing(method: Method, code: P2psyncError['code'], message = 'it is refused; do something else'): Partial<Handlers> {
  return {
    [method]: async () => {
      throw new P2psyncError(code, message)
    },
  }
}

/** Resolves when its context is aborted: a call that hangs until the server closes or the caller goes. */
export function untilAborted(context: CallContext): Promise<never> {
  return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(new P2psyncError('TIMEOUT', 'aborted')), { once: true }))
}

export interface FakeDaemon {
  readonly socket: string
  readonly home: string
  readonly events: EventRing
  close(): Promise<void>
}

export async function startFake(t: Assert, handlers: Handlers = fakeHandlers(), home?: string): Promise<FakeDaemon> {
  const directory = home ?? (await t.tmp())
  const socket = join(directory, 'p2psync.sock')
  const events = new EventRing({ capacity: 5 })
  const server = await startServer({ socketPath: socket, handlers, events, log: silentLog, checkResults: true })
  t.teardown(() => server.close())
  return { socket, home: directory, events, close: () => server.close() }
}
