/** What the handlers act on: the opened parts of a daemon and its few operations. daemon/daemon.ts is the one that implements it. */
import type { RootLog } from '../base/log.ts'
import type { Paths } from '../base/paths.ts'
import type { ConfigStore } from './config.ts'
import type { EarlyLook } from './disk/early-look.ts'
import type { FolderStatus } from './folder/standing.ts'
import type { FolderHost } from './host.ts'
import type { Group } from './net/group.ts'
import type { Pairing } from './net/pairing.ts'
import type { Network } from './net/swarm.ts'
import type { FolderRegistry } from './registry.ts'
import type { Rotation } from './own-drives.ts'
import type { DeviceId, DriveKey, FolderId } from './sync/ids.ts'
import type { TravelNotices } from './travel-notices.ts'

export interface AppOptions {
  readonly paths: Paths
  readonly config: ConfigStore
  readonly log: RootLog
  readonly early?: EarlyLook | null
  /** Asks the process to end; called once the answer to `daemon.stop` is on its way. */
  readonly stop: () => void
  /** The store takes no write until the daemon is opened anew; meanwhile all folders are halted, and it still answers. */
  readonly onStoreFailure?: () => void
}

export interface App {
  readonly options: AppOptions
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** By a clock that nobody sets. */
  readonly uptimeMs: number
  /** Folders of this device that are open. */
  readonly hosts: ReadonlyMap<FolderId, FolderHost>
  /** Devices that were connected since the start and are not now. */
  readonly lastSeen: ReadonlyMap<DeviceId, { readonly at: number; readonly address: string | null }>
  readonly group: Group
  readonly registry: FolderRegistry
  readonly network: Network
  readonly pairing: Pairing
  readonly notices: TravelNotices
  /** Why all folders of this device are halted; null while nothing halts them all. */
  readonly haltReason: FolderStatus['reason']
  /** Resolves when no folder is being opened or closed, or after a moment all the same. */
  foldersStand(): Promise<void>
  /** A device's name, or the beginning of its id. */
  nameOf(device: string): string
  /** Registers a folder of the group here and opens it. Throws FOLDER_UNKNOWN. */
  addFolder(id: FolderId, path: string): Promise<FolderHost>
  /** Stops syncing a folder here; files stay. */
  removeFolder(id: FolderId): Promise<void>
  /** Does what a join asked for with our folders (R24). */
  carryOutBindings(): Promise<void>
  /** A new drive takes over from `drive` (R14, R19); nothing if another one has already. */
  rotateFolder(id: FolderId, drive: DriveKey, rotation: Rotation): Promise<void>
  /** Leaves the group for a new one of this device alone. */
  startOver(): Promise<void>
}
