/** What other devices state and is not valid, for `status`: some of it by name, and how much more there is. */
import type { Problem, RemoteDrive } from '../ports.ts'
import type { DriveKey } from '../sync/ids.ts'

/** Of one drive (a device has one that counts, or two for a while): more are no news for anybody. */
const MAX_TOLD = 100

interface OfDrive {
  readonly told: Map<string, Problem>
  /** Not told by name; stated twice, they count twice. */
  more: number
}

type Drive = Pick<RemoteDrive, 'key' | 'device'>

export class Misstated {
  readonly #drives = new Map<DriveKey, OfDrive>()

  get isEmpty(): boolean {
    return this.#drives.size === 0
  }

  add({ key }: Drive, problems: readonly Problem[]): void {
    if (problems.length === 0) return
    const drive = this.#drives.get(key) ?? { told: new Map<string, Problem>(), more: 0 }
    this.#drives.set(key, drive)
    for (const problem of problems) {
      const { path } = problem
      if (drive.told.size < MAX_TOLD || drive.told.has(path)) drive.told.set(path, problem)
      else drive.more++
    }
  }

  /** Those of these drives; what others stated is forgotten. */
  of(drives: readonly Drive[]): Problem[] {
    const counting = new Map(drives.map((drive) => [drive.key, drive]))
    const rows: Problem[] = []
    for (const [key, { told, more }] of this.#drives) {
      const drive = counting.get(key)
      if (drive === undefined) {
        this.#drives.delete(key)
        continue
      }
      rows.push(...told.values())
      if (more > 0) rows.push({ path: '', code: 'invalid-entry', message: `device ${drive.device.slice(0, 8)} states ${more} more names or entries that are not valid; none of them is applied` })
    }
    return rows
  }
}
