/**
 * Lets new drives take over from ours (R14, R19). Mostly the folder is closed for it, and states everything again when it is opened. A
 * compaction goes on beside the running folder: the new drive takes what the old one states as it stands there, blobs and all, and takes
 * its place between two steps of the cycle.
 */
import { messageOf } from '../base/errors.ts'
import { COMPACTION } from './compaction.ts'
import type { Drives } from './drive/drives.ts'
import { ROTATE_AGAIN_MS } from './halts.ts'
import type { FolderHost } from './host.ts'
import type { GroupFolder } from './net/group.ts'
import { TRUSTED, type OwnDrives, type Prepared, type Rotation } from './own-drives.ts'
import type { Clock, Log } from './ports.ts'
import type { DriveKey, FolderId } from './sync/ids.ts'

/** With fewer statements behind it takes over: they are taken while the cycle stands still. */
const FEW = 200
/** Somebody is at work on the folder or waits for it, or a stock reader is connected: looked at again after this. */
const LATER_MS = 1_000
/** What is stated right after it took over waits until the others have read all of it: so not in the middle of somebody's work. */
const REST_MS = 5_000
/** Somebody works without such a rest: then in the middle of it. */
const PATIENCE_MS = 10 * 60_000

export interface RotationsOptions {
  readonly clock: Clock
  readonly log: Log
  ownDrives(): OwnDrives
  drives(): Drives
  host(id: FolderId): FolderHost | undefined
  folder(id: FolderId): GroupFolder | null
  /** The daemon goes on, and nothing is halted. */
  mayRotate(): boolean
  /** Opening and closing of folders, one after the other. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
  close(host: FolderHost): Promise<void>
  reopen(id: FolderId): Promise<void>
  /** Tells the peers once more what is held of the folder's drives. */
  refresh(id: FolderId): void
  rotated(id: FolderId, reason: string): void
}

export class Rotations {
  readonly #options: RotationsOptions
  readonly #rotatedAt = new Map<FolderId, number>()
  readonly #compacting = new Set<FolderHost>()

  constructor(options: RotationsOptions) {
    this.#options = options
  }

  later(id: FolderId, drive: DriveKey, rotation: Rotation): void {
    this.rotate(id, drive, rotation).catch((error: unknown) => this.#options.log.error({ error: messageOf(error), folder: id.slice(0, 12) }, 'a new drive could not be made'))
  }

  /** A new drive takes over from `drive`; nothing if another one has already. */
  async rotate(id: FolderId, drive: DriveKey, rotation: Rotation): Promise<void> {
    await this.#options.inTurn(async () => {
      const host = this.#options.host(id)
      const folder = this.#options.folder(id)
      if (host === undefined || folder === null || host.driveKey !== drive || !this.#options.mayRotate()) return
      if (rotation.reason === COMPACTION && !this.isQuiet(host)) return
      await this.takeOver(host, folder, rotation)
    })
  }

  /** In a turn of the caller. */
  async takeOver(host: FolderHost, folder: GroupFolder, rotation: Rotation): Promise<void> {
    const { log, close, ownDrives, rotated, reopen } = this.#options
    log[rotation.reason === COMPACTION ? 'info' : 'warn']({ folder: folder.name, reason: rotation.reason }, 'a new drive takes over')
    const checkpoint = host.index.own
    await close(host)
    try {
      await ownDrives().rotate(folder, checkpoint, rotation)
      rotated(folder.id, rotation.reason)
    } finally {
      // Without a new drive as well (the disk is full): with the old one, or with the halt that follows.
      await reopen(folder.id)
    }
  }

  /** What another device says makes us rotate, so there is a limit to it. It is asked again later. */
  isTooSoon(id: FolderId): boolean {
    const { clock, mayRotate, refresh } = this.#options
    const now = clock.now()
    const isTooSoon = now - (this.#rotatedAt.get(id) ?? 0) < ROTATE_AGAIN_MS
    if (isTooSoon) clock.after(ROTATE_AGAIN_MS, () => void (mayRotate() && refresh(id)))
    else this.#rotatedAt.set(id, now)
    return isTooSoon
  }

  // ------------------------------------------------------------------------------------------- compaction

  /** Nobody is at work on the folder or waits for it, and no stock reader, which goes on with the drive that it has, is connected. */
  isQuiet(host: FolderHost): boolean {
    return !host.closing && !this.#compacting.has(host) && host.folder.quiet && !this.#options.drives().isOffered
  }

  /** @param anew all content is read again, into a new blobs core. */
  compact(host: FolderHost, anew: boolean): void {
    const { key, writer, blobsKey } = host.own
    const withFolderClosed = (): void => this.later(host.id, key, { reason: COMPACTION, recovery: TRUSTED, writer, blobs: anew ? null : blobsKey })
    if (anew) return withFolderClosed()
    this.#compacting.add(host)
    this.#compactBeside(host)
      .catch((error: unknown) => {
        // Without it the old drive goes on, and it is tried again.
        if (!host.closing) this.#options.log.warn({ error: messageOf(error), folder: host.name }, 'a smaller drive could not be made')
        return true
      })
      .then((isSettled) => {
        this.#compacting.delete(host)
        if (!isSettled) withFolderClosed()
      })
  }

  /** False: it cannot be done beside the running folder. */
  async #compactBeside(host: FolderHost): Promise<boolean> {
    const folder = this.#options.folder(host.id)
    const { own, index } = host
    if (folder === null || index.own === null) return false
    const prepared = await this.#options.ownDrives().prepare(folder, index.own, { writer: own.writer, blobs: own.blobsKey })
    if (prepared === null) return false
    this.#options.log.info({ folder: host.name, generation: prepared.source.generation }, 'a smaller drive is made beside the one that is written')
    try {
      const { clock } = this.#options
      const began = clock.now()
      let [length, since] = [own.length, -Infinity]
      let done = await prepared.own.follow(own, 0)
      for (let isOver = false; !isOver; ) {
        done = await prepared.own.follow(own, done)
        if (own.length - done > FEW) continue
        if (own.length !== length) [length, since] = [own.length, clock.now()]
        const rests = host.folder.quiet && clock.now() - since >= REST_MS
        isOver = (rests || clock.now() - began >= PATIENCE_MS || host.closing) && (await this.#handOver(host, prepared, done))
        if (!isOver) await new Promise<void>((resolve) => clock.after(LATER_MS, resolve))
      }
    } finally {
      await this.#closeUnused(host.id, prepared.own.key)
    }
    return true
  }

  /** A folder that was opened anew may write it by now. */
  async #closeUnused(id: FolderId, drive: DriveKey): Promise<void> {
    const { inTurn, host, drives } = this.#options
    await inTurn(async () => {
      if (host(id)?.driveKey !== drive) await drives().closeDrive(drive)
    })
  }

  /** False: somebody is at work just now. Rejects when it will not come about, also where the group has heard of it already: then the folder was opened anew, with this drive. */
  async #handOver(host: FolderHost, { own: next, source, mayTakeOver, announce }: Prepared, done: number): Promise<boolean> {
    const { folder, inTurn, mayRotate, drives, close, reopen } = this.#options
    return await inTurn(async () => {
      const former = host.own
      const group = folder(host.id)
      if (host.closing || this.#options.host(host.id) !== host || group === null || !mayTakeOver(group, host.index.own)) throw new Error('another drive takes over')
      if (!mayRotate() || drives().isOffered || ['paused', 'halted'].includes(host.folder.activity)) return false
      let isTold = false
      try {
        return await host.handOver(source, next, async () => {
          await next.follow(former, done)
          isTold = true
          await announce(group)
        })
      } catch (error) {
        if (isTold) {
          await close(host)
          await reopen(host.id)
        }
        throw error
      }
    })
  }
}
