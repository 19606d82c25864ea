/** The events of `GET /v1/events` and `p2psync events`. Pure shapes; the ring that keeps them is in events.ts. */
import { z } from 'zod'
import { count, deviceRef, folderState, hex32, need, problem, reason, time } from './shapes.ts'

const change = z.object({
  path: z.string(),
  /** What happened to the path. */
  action: z.enum(['created', 'changed', 'deleted']),
  kind: z.enum(['file', 'directory', 'symlink']),
})

const bodies = {
  /** A folder entered a state. */
  'folder-state': z.object({ type: z.literal('folder-state'), folder: hex32, name: z.string(), state: folderState, reason: reason.nullable() }),
  /** What is still to be fetched, and what arrived since the transfer began. At most a few a second. */
  progress: z.object({ type: z.literal('progress'), folder: hex32, need, doneFiles: count, doneBytes: count }),
  /** A device of the group connected or went. */
  peer: z.object({ type: z.literal('peer'), device: deviceRef, connected: z.boolean() }),
  /** Paths that changed here: found by a scan (`local`) or applied from other devices (`remote`). `more`: how many are not listed. */
  changes: z.object({ type: z.literal('changes'), folder: hex32, origin: z.enum(['local', 'remote']), changes: z.array(change), more: count }),
  /** A conflict copy was made here. */
  conflict: z.object({ type: z.literal('conflict'), folder: hex32, path: z.string(), copy: z.string() }),
  /** A path, or (path '') the folder, has a problem. */
  problem: problem.extend({ type: z.literal('problem'), folder: hex32 }),
  /** Devices or folders of the group changed. */
  group: z.object({ type: z.literal('group') }),
  /** Events between the last one seen and the next one are lost; ask for the status. Made by the server only. */
  gap: z.object({ type: z.literal('gap') }),
} as const

export const eventBody = z.discriminatedUnion('type', [
  bodies['folder-state'],
  bodies.progress,
  bodies.peer,
  bodies.changes,
  bodies.conflict,
  bodies.problem,
  bodies.group,
  bodies.gap,
])

const stamp = { id: z.string(), time }

/** As sent: the body with an id (opaque, for Last-Event-ID) and the time. */
export const daemonEvent = z.intersection(z.object(stamp), eventBody)

export type EventType = keyof typeof bodies
export type EventBody = z.output<typeof eventBody>
export type DaemonEvent = EventBody & { readonly id: string; readonly time: string }
