/** As daemon/rotations.ts: a drive that says what the one before says is made beside the running folder, and takes its place. */
import type { CurrentDrive } from '../../daemon/current-drive.ts'
import type { Folder } from '../../daemon/folder.ts'
import { handOver } from '../../daemon/folder/hand-over.ts'
import type { DeviceId, PathKey } from '../../daemon/sync/ids.ts'
import { FakeOwnDrive, type DriveBlock, type DriveLog, type Durability } from '../fakes/drive.ts'
import type { Life } from '../fakes/life.ts'
import type { DeviceState } from './state.ts'

/** Until it takes over, others act meanwhile. */
const MAKING_MS = 20

export interface Beside {
  readonly device: DeviceId
  readonly life: Life
  readonly folder: Folder
  readonly current: CurrentDrive<FakeOwnDrive>
  readonly state: DeviceState
  readonly salt: string
  readonly durability: Durability
  /** The peers hear of new records. */
  tell(): void
  /** This log is the one that is written. */
  write(log: DriveLog): void
}

/** Rejects where the group may have heard of the drive, which did not take over: the folder is to be opened anew then. */
export async function makeBeside({ device, life, folder, current, state, salt, durability, tell, write }: Beside): Promise<string> {
  const next = state.prepare(device, salt)
  if (next === null) return 'makes no drive beside'
  const former = current.drive.log
  let done = former.blocks.length
  const copy = (blocks: readonly DriveBlock[]): void => {
    next.append(blocks)
    durability.wrote()
  }
  copy([...new Map<PathKey, DriveBlock>(former.blocks.map((block) => [block.path, block])).values()].filter(({ entry }) => entry !== null))
  await life.step()
  await new Promise<void>((resolve) => life.clock.after(MAKING_MS, resolve))
  copy(former.blocks.slice(done))
  done = former.blocks.length
  await life.step()
  const drive = new FakeOwnDrive(next, life, durability)
  let told = false
  const announce = async (): Promise<void> => {
    if (!state.mayTakeOver(device, former)) throw new Error('another drive takes over')
    copy(former.blocks.slice(done))
    await life.step()
    durability.sync()
    told = true
    state.announce(device, next)
    tell()
    await life.step()
  }
  const sync = async (): Promise<void> => {
    await life.step()
    durability.sync()
  }
  const takeOver = (): void => {
    next.goOnWithBlobsOf(former)
    current.takeOver(drive)
    write(next)
  }
  try {
    if (!(await folder.act(async (context) => await handOver(context, { next: drive, announce, sync, takeOver })))) return 'is at work: no drive is made beside'
  } catch (error) {
    if (told) throw error
    return `makes no drive beside: ${String(error)}`
  }
  state.settle(next.key)
  next.announce()
  return 'has a drive that was made beside'
}
