/**
 * The drive of ours that is written now. For all that goes on when another one takes over between two steps of a folder's cycle: what was
 * begun with the former ends with it.
 */
import type { OwnDrive } from './ports.ts'

export class CurrentDrive<Drive extends OwnDrive> implements OwnDrive {
  #drive: Drive

  constructor(drive: Drive) {
    this.#drive = drive
  }

  get drive(): Drive {
    return this.#drive
  }

  takeOver(next: Drive): void {
    this.#drive = next
  }

  get key(): OwnDrive['key'] {
    return this.#drive.key
  }

  get generation(): OwnDrive['generation'] {
    return this.#drive.generation
  }

  get writer(): OwnDrive['writer'] {
    return this.#drive.writer
  }

  get blobsKey(): OwnDrive['blobsKey'] {
    return this.#drive.blobsKey
  }

  get length(): OwnDrive['length'] {
    return this.#drive.length
  }

  publish(...args: Parameters<OwnDrive['publish']>): ReturnType<OwnDrive['publish']> {
    return this.#drive.publish(...args)
  }

  replay(from: number): ReturnType<OwnDrive['replay']> {
    return this.#drive.replay(from)
  }

  head(): ReturnType<OwnDrive['head']> {
    return this.#drive.head()
  }

  stated(...args: Parameters<OwnDrive['stated']>): ReturnType<OwnDrive['stated']> {
    return this.#drive.stated(...args)
  }

  paths(): ReturnType<OwnDrive['paths']> {
    return this.#drive.paths()
  }

  verify(...args: Parameters<OwnDrive['verify']>): ReturnType<OwnDrive['verify']> {
    return this.#drive.verify(...args)
  }

  audit(signal: AbortSignal): ReturnType<OwnDrive['audit']> {
    return this.#drive.audit(signal)
  }

  close(): Promise<void> {
    return this.#drive.close()
  }
}
