/** Makes the drives of two devices say much that counts no more, and tells when both have new ones and the old ones are gone. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../e2e/harness.ts'
import { waitFor } from '../e2e/tree.ts'

/** A directory in the folder, named as those of the scenarios are. */
const BALLAST = 'p0'
const FILES = 700
/** Each states every file once more: together more than a megabyte, and than all that is there (daemon/compaction.ts). */
const ROUNDS = 4
const MODES = [0o600, 0o644] as const

export class Outgrowth {
  readonly #devices: readonly [Device, Device]
  /** The drives that must go. */
  #old: readonly string[] = []
  #rounds = 0

  constructor(a: Device, b: Device) {
    this.#devices = [a, b]
  }

  /** `settle`: resolves when both are in sync. */
  async begin(settle: () => Promise<void>): Promise<void> {
    const directory = this.#devices[0].path(BALLAST)
    if (this.#rounds === 0) {
      mkdirSync(directory)
      for (let i = 0; i < FILES; i++) writeFileSync(join(directory, `file ${i}`), `ballast ${i}`)
      await settle()
    }
    this.#old = this.#devices.map(newestDrive)
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < FILES; i++) chmodSync(join(directory, `file ${i}`), MODES[this.#rounds % 2] as number)
      this.#rounds++
      await settle()
    }
  }

  /**
   * Resolves when both have deleted both old drives; nothing is asked of the daemons, for which they would put it off. Rejects when it
   * takes longer; ends early once `signal` says so.
   */
  async over(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const isOver = (): boolean => this.#devices.every((device) => this.#old.every((drive) => deletedDrives(device).includes(drive)))
    await waitFor('the outgrown drives are deleted on both devices', () => signal?.aborted === true || isOver(), timeoutMs)
  }
}

function newestDrive(device: Device): string {
  const { drives } = JSON.parse(readFileSync(join(device.home, 'state', 'keys', 'drives.json'), 'utf8')) as { drives: { key: string }[] }
  const newest = drives.at(-1)
  if (newest === undefined) throw new Error(`${device.name} has no drive`)
  return newest.key
}

function deletedDrives(device: Device): readonly string[] {
  try {
    const { drives } = JSON.parse(readFileSync(join(device.home, 'state', 'retired.json'), 'utf8')) as { drives: { key: string; deleted: boolean }[] }
    return drives.filter(({ deleted }) => deleted).map(({ key }) => key)
  } catch {
    return [] // None so far.
  }
}
