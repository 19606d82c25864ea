/** The nouns that several methods of schema.ts speak of: devices, folders, and the status document of `p2psync status --json`. */
import { z } from 'zod'

export const hex32 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')
/** ISO 8601, UTC. */
export const time = z.iso.datetime()
export const count = z.number().min(0)

/** Name, id, unambiguous id prefix, or absolute path inside the folder. */
export const folderSelector = z.string().min(1).max(8192)
/** Name, id, or unambiguous id prefix. */
export const deviceSelector = z.string().min(1).max(255)

export const folderState = z.enum(['scanning', 'syncing', 'idle', 'paused', 'halted', 'decision'])

/** A code for programs and what to do for people. */
export const reason = z.object({ code: z.string(), message: z.string() })
export const problem = z.object({ path: z.string(), code: z.string(), message: z.string() })
export const need = z.object({ files: count, bytes: count, deletes: count })

export const folderRef = z.object({ id: hex32, name: z.string(), path: z.string(), state: folderState })
export const deviceRef = z.object({ id: hex32, name: z.string() })

const connection = z.object({
  connected: z.boolean(),
  /** `host:port`, the last one known. */
  address: z.string().nullable(),
  transport: z.enum(['tcp', 'udx', 'relay']).nullable(),
  /** Null: never. */
  lastSeen: time.nullable(),
  rxBytes: count,
  txBytes: count,
})

/** `self`: this device; its connection fields are false, null and zero. */
export const device = deviceRef.extend({ self: z.boolean(), ...connection.shape })

const folderStatus = folderRef.extend({
  /** Never null while `halted` or `decision`. */
  reason: reason.nullable(),
  files: count,
  directories: count,
  bytes: count,
  /** What this device lacks of the merged tree. */
  need,
  conflicts: count,
  /** At most a few hundred rows. */
  problems: z.array(problem),
  /** What happened and is over, for some days: a backup that was put back. Nothing is to be done. */
  notices: z.array(z.object({ code: z.string(), message: z.string(), at: time })),
  storeBytes: count,
  historyBytes: count,
  /** The other devices that have the folder, as far as known here. */
  devices: z.array(z.object({ id: hex32, need, inSync: z.boolean() })),
})

/** `p2psync status --json`. */
export const status = z.object({
  schema: z.literal(1),
  device: deviceRef,
  /** Why nothing at all is synced on this device (it was removed from the group, for one); null: nothing keeps it from syncing. */
  reason: reason.nullable(),
  /** The other devices. */
  devices: z.array(deviceRef.extend(connection.shape)),
  folders: z.array(folderStatus),
})

export type FolderState = z.output<typeof folderState>
export type Reason = z.output<typeof reason>
export type ProblemRow = z.output<typeof problem>
export type Need = z.output<typeof need>
export type FolderRef = z.output<typeof folderRef>
export type FolderStatus = z.output<typeof folderStatus>
export type DeviceRef = z.output<typeof deviceRef>
export type DeviceInfo = z.output<typeof device>
export type StatusDocument = z.output<typeof status>
