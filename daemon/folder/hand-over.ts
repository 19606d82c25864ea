/**
 * A new drive of ours, which states already what the one before does, takes its place between two steps of the cycle (R1). The rows stay
 * as they are: all that changes is which drive the index agrees with.
 */
import type { OwnCheckpoint, OwnDrive } from '../ports.ts'
import type { FolderContext } from './context.ts'

export interface HandOver {
  readonly next: Pick<OwnDrive, 'key' | 'generation' | 'writer' | 'length'>
  /** `next` states all that the drive before does, durably; then the group hears of it, after which there is no way back: if something fails, the folder must be opened anew. */
  announce(): Promise<void>
  /** Resolves when all that was written to the index is on disk. */
  sync(): Promise<void>
  /** What is published from now on is published there. */
  takeOver(): void
}

/** False: this is not the moment, and nothing was done. */
export async function handOver({ ports: { index, own }, counter }: FolderContext, { next, announce, sync, takeOver }: HandOver): Promise<boolean> {
  const known = index.own
  if (known === null || known.drive !== own.key || known.length !== own.length || known.writer !== next.writer) return false
  await announce()
  const checkpoint: OwnCheckpoint = { ...counter.commit(own.length), drive: next.key, generation: next.generation, length: next.length, blobsFrom: known.blobsFrom ?? known.generation }
  const batch = index.batch()
  batch.setOwn(checkpoint)
  await batch.flush()
  counter.restore(checkpoint)
  takeOver()
  await sync()
  return true
}
