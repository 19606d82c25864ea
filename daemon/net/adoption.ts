/** What becomes of the folders of a device, alone in its group, when it joins another (R24). Pure. */
import type { DeviceId, FolderId } from '../sync/ids.ts'
import type { FolderState } from './derive.ts'
import { sealTo } from './keyring.ts'
import type { Ledger } from './ledger.ts'
import type { RecordBody } from './records.ts'
import type { Binding } from './secrets.ts'

export interface Adoption {
  readonly bound: readonly Binding[]
  readonly carried: readonly FolderId[]
  /** Records to make there. */
  readonly bodies: readonly RecordBody[]
}

export function adoptionOf(here: Ledger, there: Ledger): Adoption {
  const self = here.self.id
  const own = [...here.state.folders.values()].filter((folder) => folder.devices.includes(self) || !isLeft(folder.id, here))
  const bound: Binding[] = []
  const carried: FolderId[] = []
  const bodies: RecordBody[] = []
  for (const folder of own) {
    const to = boundTo(folder, own, there)
    if (to !== null) bound.push({ from: folder.id, to })
    else {
      carried.push(folder.id)
      bodies.push(...carriedRecords(folder, here, there, self))
    }
  }
  return { bound, carried, bodies }
}

/** The same folder (of a former life), or the only one there of that name, unless several of ours have the name. */
function boundTo(folder: FolderState, own: readonly FolderState[], there: Ledger): FolderId | null {
  if (there.state.folders.has(folder.id)) return folder.id
  const twins = own.filter((other) => other.name === folder.name)
  const named = [...there.state.folders.values()].filter((other) => other.name === folder.name && other.devices.length > 0)
  return twins.length <= 1 && named.length === 1 && named[0] !== undefined ? named[0].id : null
}

/** Removed here before, and nobody else has it; one that was only just made has no such record. */
function isLeft(folder: FolderId, here: Ledger): boolean {
  return [...here.records.values()].some(({ record }) => record.kind === 'folder-left' && record.folder === folder)
}

/** The same folder with the same keys and drives, said to the other group. Only this device knew them. */
function carriedRecords(folder: FolderState, here: Ledger, there: Ledger, self: DeviceId): RecordBody[] {
  const bodies: RecordBody[] = [{ kind: 'folder', folder: folder.id, generation: folder.nameGeneration, name: folder.name }]
  for (const { generation, keyId } of folder.keys) {
    const key = here.keyring.get(keyId)
    if (key === null) continue
    bodies.push({ kind: 'folder-key', folder: folder.id, generation, keyId, sealed: sealTo(there.state.members.keys(), key) })
  }
  for (const { device, generation, driveKey, keyId, writer, starts, owner } of folder.drives) {
    if (device === self) bodies.push({ kind: 'drive', folder: folder.id, generation, driveKey, keyId, writer, starts, owner })
  }
  return bodies
}
