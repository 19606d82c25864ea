/**
 * The one contract of the daemon with the outside: every method with its parameters and its result. JSON-RPC, REST, the OpenAPI
 * document, the typed client and the CLI's `--json` are all made from this table; a new method is one entry here and one handler.
 * Parameters are strict (an unknown field is refused). Results may gain fields; what stands here keeps its meaning.
 *
 * FOLDER parameters are a name, an id, an unambiguous id prefix, or an absolute path inside the folder; DEVICE parameters a name,
 * an id, or an unambiguous id prefix. The daemon resolves both. Times are ISO 8601 in UTC, sizes are bytes.
 */
import { z } from 'zod'
import { count, device, deviceRef, folderRef, folderSelector, deviceSelector, hex32, problem, reason, status, time } from './shapes.ts'

const none = z.strictObject({})
const oneFolder = z.strictObject({ folder: folderSelector })
const anyFolder = z.strictObject({ folder: folderSelector.optional() })
const folders = z.object({ folders: z.array(folderRef) })
const milliseconds = z.int().min(1).max(24 * 60 * 60 * 1000)

const listedFolder = z.object({
  id: hex32,
  name: z.string(),
  /** Null: the group has this folder, this device does not. */
  path: z.string().nullable(),
  state: folderRef.shape.state.nullable(),
  /** Who has it; empty: nobody any more. */
  devices: z.array(hex32),
  /** Only with `keys`: enough for a stock Hyperdrive to read each device's drive (hex). */
  drives: z.array(z.object({ device: hex32, key: hex32, encryptionKey: hex32 })).optional(),
})

const version = z.object({
  kind: z.enum(['file', 'directory', 'symlink']),
  size: count,
  mtime: time.nullable(),
  /** The device whose change this is; null if its writer is not known any more. */
  device: deviceRef.nullable(),
})

const conflict = z.object({
  folder: hex32,
  path: z.string(),
  /** The path of the conflict copy. */
  copy: z.string(),
  /** What stands at `path`; null: nothing does any more. */
  this: version.nullable(),
  /** What stands at `copy`. */
  other: version,
})

/** A file of a folder: absolute, or, with `folder`, below it. */
const filePath = z.string().min(1).max(8192)
const fileParams = { folder: folderSelector.optional(), path: filePath }
const absolute = z.string().startsWith('/', 'must be an absolute path').max(8192)

const keptVersion = z.object({
  /** Of content and modification time: the same on every device. */
  id: z.string(),
  kind: z.enum(['file', 'symlink']),
  size: count,
  mtime: time,
  /** The device whose change this is; null if its writer is not known any more. */
  device: deviceRef.nullable(),
  /** It stands at the path on this device. */
  current: z.boolean(),
  /** Who holds it. `at`: when it was displaced there; null: it stands there now. */
  holders: z.array(z.object({ device: deviceRef, at: time.nullable(), reason: z.enum(['current', 'replaced', 'deleted', 'conflict', 'recovered']) })),
})

const decided = z.object({
  folder: folderRef,
  /** Paths that were missing here. */
  here: count,
  /** Paths that other devices deleted. */
  elsewhere: count,
})

const checkResult = z.object({
  folder: folderRef,
  /** How much was looked at. */
  checked: z.object({ paths: count, files: count, bytes: count, blocks: count, contents: count, history: count, statements: count, treeNodes: count }),
  /** At most a thousand; `repaired`: it was wrong and is not any more. */
  findings: z.array(problem.extend({ repaired: z.boolean() })),
  /** Findings that are not repaired, those that are not listed too. */
  left: count,
  /** Looked wrong, and otherwise at a second look: somebody worked there. */
  busy: count,
})

/** unknown: it cannot be told here. */
const doctorCheck = z.object({ name: z.string(), state: z.enum(['ok', 'warn', 'fail', 'unknown']), message: z.string() })

/** Exit code of `p2psync sync` in parentheses (R38): in-sync (0), blocked (1), timeout and no-peers (4), halted (or paused here) and decision (5). */
export const syncOutcome = z.enum(['in-sync', 'blocked', 'timeout', 'no-peers', 'halted', 'decision'])

const syncResult = z.object({
  /** True if and only if `outcome` is `in-sync`. With several folders the worst one's outcome counts. */
  ok: z.boolean(),
  outcome: syncOutcome,
  /** Of a halted or deciding folder; with the code `paused`, of one that is paused on this device. */
  reason: reason.nullable(),
  /** Paths that differ, with the reason: those that cannot be applied (R39), `unavailable`: no connected device has the bytes, `under-way`. At most a few hundred. */
  blocked: z.array(problem.extend({ folder: hex32, device: hex32 })),
  /** Devices that have the folder and are not connected. */
  absent: z.array(deviceRef),
  /** Devices that have paused the folder. */
  paused: z.array(deviceRef),
})

const configValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string()), z.null()])
const config = z.object({ config: z.record(z.string(), configValue) })
export const logLevel = z.enum(['error', 'warn', 'info', 'debug'])

interface MethodShape {
  readonly summary: string
  readonly params: z.ZodObject
  readonly result: z.ZodObject
}

/** Keeps the exact types of an entry while checking its form. */
function method<const M extends MethodShape>(shape: M): M {
  return shape
}

export const methods = {
  'daemon.status': method({
    summary: 'Process id, version and start time of the daemon',
    params: none,
    result: z.object({ pid: z.int(), version: z.string(), startedAt: time, uptimeMs: count, home: z.string(), logFile: z.string().nullable() }),
  }),
  'daemon.stop': method({ summary: 'Stops the daemon in order; answers before it goes', params: none, result: z.object({ pid: z.int() }) }),
  'daemon.doctor': method({
    summary: 'Whether what the daemon needs is there: watches, clock, ports, network, peers, disk space, store',
    params: none,
    result: z.object({ checks: z.array(doctorCheck) }),
  }),
  'status.get': method({ summary: 'Devices, folders and how far they are in sync', params: anyFolder, result: status }),
  'folders.list': method({
    summary: 'Folders of the group, here or only elsewhere',
    params: z.strictObject({ keys: z.boolean().optional() }),
    result: z.object({ folders: z.array(listedFolder) }),
  }),
  'folders.add': method({
    summary: 'Watches a directory: joins the folder of the group that has its name, or makes a new one',
    params: z
      .strictObject({
        /** Absolute. The last component is made if missing; its parent must exist. */
        path: z.string().startsWith('/', 'must be an absolute path').max(4096),
        /** Default: the last component of `path`. */
        name: z.string().min(1).max(255).regex(/^(?!\.{1,2}$)[^/]+$/, 'must be a name, with no slash in it').optional(),
        /** A folder of the group that is to be bound to this directory. */
        join: folderSelector.optional(),
        /** Always makes a new folder. */
        new: z.boolean().optional(),
      })
      .refine((params) => params.join === undefined || params.new !== true, 'takes either join or new, not both'),
    result: z.object({
      folder: folderRef,
      /** Whether the group had this folder before. */
      joined: z.boolean(),
    }),
  }),
  'folders.remove': method({ summary: 'Stops syncing a folder here; files stay', params: oneFolder, result: z.object({ folder: folderRef }) }),
  'folders.pause': method({ summary: 'Neither scans, publishes nor sends until resumed', params: anyFolder, result: folders }),
  'folders.resume': method({ summary: 'Ends a pause', params: anyFolder, result: folders }),
  'folders.scan': method({ summary: 'Full rescan now; answers when it is done', params: anyFolder, result: folders }),
  'folders.sync': method({
    summary: 'Scans, asks connected devices to scan and settle, and waits until all have the same tree',
    params: z.strictObject({ folder: folderSelector.optional(), timeoutMs: milliseconds.optional() }),
    result: syncResult,
  }),
  'folders.check': method({
    summary: 'Holds disk, index, drive and blocks of a folder against each other; `repair` rebuilds what can be rebuilt and deletes nothing',
    params: z.strictObject({ folder: folderSelector, repair: z.boolean().optional() }),
    result: checkResult,
  }),
  'folders.conflicts': method({ summary: 'Conflict copies that wait for a look', params: anyFolder, result: z.object({ conflicts: z.array(conflict) }) }),
  'folders.ignore': method({
    summary: 'The lines of .p2psyncignore; `add` appends patterns first, unless one of them would ignore nothing',
    params: z.strictObject({ folder: folderSelector, add: z.array(z.string().min(1).max(4096).regex(/^[^\n\r\0]+$/, 'must be one line')).max(1000).optional() }),
    result: z.object({ folder: folderRef, patterns: z.array(z.string()), /** Lines that ignore nothing, and why. */ problems: z.array(problem) }),
  }),
  'folders.ignored': method({
    summary: 'Whether a path is ignored, and by which rule',
    params: z.strictObject({ path: z.string().startsWith('/', 'must be an absolute path').max(8192) }),
    result: z.object({ folder: folderRef, path: z.string(), ignored: z.boolean(), rule: z.string().nullable() }),
  }),
  'folders.history': method({
    summary: 'Versions of a file that this device and the connected ones hold, newest first',
    params: z.strictObject(fileParams),
    result: z.object({ folder: folderRef, path: z.string(), versions: z.array(keptVersion), /** Connected devices that did not answer, or not in full. */ silent: z.array(deviceRef) }),
  }),
  'folders.restore': method({
    summary: 'Puts a version of a file back; what stands there goes to history',
    params: z.strictObject({ ...fileParams, version: z.string().regex(/^.{4,64}$/, 'must be the id of a version, or at least its first 4 characters, as "p2psync history PATH" lists it'), /** A free path in place of `path`, inside or outside of the folder. */ to: absolute.optional() }),
    result: z.object({ folder: folderRef, path: z.string(), version: z.string(), /** Absolute. */ to: z.string() }),
  }),
  'folders.restoreTree': method({
    summary: 'Copies the tree as it was at a time, as far as known, into a new directory outside of the folder',
    params: z.strictObject({ folder: folderSelector, at: time, to: absolute, /** Only what is at and below this path of the folder. */ path: filePath.optional() }),
    result: z.object({ folder: folderRef, to: z.string(), at: time, files: count, directories: count, bytes: count, /** What could not be had or made. */ missing: z.array(problem), silent: z.array(deviceRef) }),
  }),
  'folders.resolve': method({
    summary: 'Ends a conflict: `this` keeps the bytes at the path, `other` those of the copy, `both` gives the copy an ordinary name',
    params: z.strictObject({ ...fileParams, keep: z.enum(['this', 'other', 'both']) }),
    result: z.object({ folder: folderRef, path: z.string(), keep: z.enum(['this', 'other', 'both']), copies: z.array(z.object({ copy: z.string(), /** Where its bytes stand now; null: in history. */ at: z.string().nullable() })) }),
  }),
  'folders.approve': method({ summary: 'Carries out a held mass deletion', params: oneFolder, result: decided }),
  'folders.reject': method({ summary: 'Undoes a held mass deletion: the files live on', params: oneFolder, result: decided }),
  'devices.list': method({ summary: 'Devices of the group, this one first', params: none, result: z.object({ devices: z.array(device) }) }),
  'devices.rename': method({
    summary: 'Gives a device another name',
    params: z.strictObject({ device: deviceSelector, name: z.string().min(1).max(64) }),
    result: z.object({ device }),
  }),
  'devices.remove': method({ summary: 'Takes a device out of the group for ever', params: z.strictObject({ device: deviceSelector }), result: z.object({ device }) }),
  'devices.address': method({
    summary: 'Remembers an address at which a device is dialled directly',
    params: z.strictObject({ device: deviceSelector, address: z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/, 'must be HOST:PORT') }),
    result: z.object({ device }),
  }),
  'invites.create': method({
    summary: 'Makes a code that pairs one device, once, until it expires',
    params: z.strictObject({ expiresMs: milliseconds.optional() }),
    result: z.object({ invite: z.string(), expiresAt: time }),
  }),
  'invites.join': method({
    summary: 'Pairs this device with the group of an invite',
    params: z.strictObject({
      code: z.string().trim().min(1).max(4096),
      timeoutMs: milliseconds.optional(),
      /** Leaves a group of several devices for the new one. */
      leave: z.boolean().optional(),
    }),
    result: z.object({ device: deviceRef, devices: z.array(device) }),
  }),
  'config.get': method({ summary: 'The configuration in force', params: z.strictObject({ key: z.string().optional() }), result: config }),
  'config.set': method({
    summary: 'Changes one key; null restores its default',
    params: z.strictObject({ key: z.string(), value: configValue }),
    result: config.extend({ /** The change takes effect at the next start. */ restart: z.boolean() }),
  }),
  'log.level': method({
    summary: 'The log level; `level` sets it until the daemon stops',
    params: z.strictObject({ level: logLevel.optional() }),
    result: z.object({ level: logLevel }),
  }),
} as const satisfies Record<string, MethodShape>

export type Method = keyof typeof methods
/** What a caller may pass. */
export type Params<M extends Method> = z.input<(typeof methods)[M]['params']>
/** What a handler gets: parsed, nothing unknown left. */
export type ParsedParams<M extends Method> = z.output<(typeof methods)[M]['params']>
export type Result<M extends Method> = z.output<(typeof methods)[M]['result']>

export interface CallContext {
  /** Aborts when the caller has gone or the server closes. What was decided by then stays decided. */
  readonly signal: AbortSignal
}

/** Implemented by daemon/daemon.ts. A handler throws P2psyncError for what the user can act on; anything else becomes INTERNAL. */
export type Handlers = { readonly [M in Method]: (params: ParsedParams<M>, context: CallContext) => Promise<Result<M>> }

export function isMethod(name: string): name is Method {
  return Object.hasOwn(methods, name)
}

export type SyncOutcome = z.output<typeof syncOutcome>
export type LogLevel = z.output<typeof logLevel>
export type ListedFolder = z.output<typeof listedFolder>
export type Conflict = z.output<typeof conflict>
export type FileVersion = z.output<typeof keptVersion>
export type CheckResult = z.output<typeof checkResult>
export type DoctorCheck = z.output<typeof doctorCheck>
export type ConfigValue = z.output<typeof configValue>
export type { DeviceInfo, DeviceRef, FolderRef, FolderState, FolderStatus, Need, ProblemRow, Reason, StatusDocument } from './shapes.ts'
export type { DaemonEvent, EventBody, EventType } from './event-shapes.ts'
