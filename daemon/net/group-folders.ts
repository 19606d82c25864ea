/** The folders of the group as the rest of the daemon sees them: with keys opened, and only the drives that still matter. Pure. */
import type { DeviceId, FolderId } from '../sync/ids.ts'
import type { DriveRecord, FolderState } from './derive.ts'
import type { Ledger } from './ledger.ts'
import type { KeyId } from './records.ts'

export type GroupDrive = DriveRecord

export interface GroupFolder {
  readonly id: FolderId
  readonly name: string
  /** The key of new drives, 32 bytes. */
  readonly key: Buffer
  readonly keyId: KeyId
  /** All keys known here by id, the current one and older ones for reading. */
  readonly keys: ReadonlyMap<KeyId, Buffer>
  /** Drives of the members that have the folder: their two newest generations, newest first (R14, R23). */
  readonly drives: readonly GroupDrive[]
  /** Members that have the folder. */
  readonly devices: readonly DeviceId[]
}

/** Folders whose key has reached this device. */
export function foldersOf(ledger: Ledger): readonly GroupFolder[] {
  const folders: GroupFolder[] = []
  for (const folder of ledger.state.folders.values()) {
    const keys = new Map<KeyId, Buffer>()
    for (const { keyId } of folder.keys) {
      const key = ledger.keyring.get(keyId)
      if (key !== null) keys.set(keyId, key)
    }
    const current = folder.key !== null && keys.has(folder.key.keyId) ? folder.key.keyId : [...keys.keys()][0]
    const key = current === undefined ? undefined : keys.get(current)
    if (current === undefined || key === undefined) continue
    const { id, name, devices } = folder
    folders.push({ id, name, key, keyId: current, keys, drives: newestDrives(folder), devices })
  }
  return folders
}

/** Of each device the two highest generation numbers, all drives of each (R23). */
function newestDrives(folder: FolderState): GroupDrive[] {
  const generations = new Map<DeviceId, Set<number>>()
  return folder.drives.filter((drive) => {
    const seen = generations.get(drive.device) ?? new Set()
    if (seen.size < 2) seen.add(drive.generation)
    generations.set(drive.device, seen)
    return seen.has(drive.generation)
  })
}

/** Also where the drive's record is void since the removal. */
export function ownsDrive(ledger: Ledger, folder: FolderState, device: DeviceId): boolean {
  if (folder.devices.includes(device)) return true
  const last = { drive: -1, 'folder-left': -1 }
  for (const { record } of ledger.records.values()) {
    if (record.author !== device || (record.kind !== 'drive' && record.kind !== 'folder-left') || record.folder !== folder.id) continue
    last[record.kind] = Math.max(last[record.kind], record.generation)
  }
  return last.drive > last['folder-left']
}
