/**
 * Whether a file has its inode number for as long as it lives. exFAT and FAT keep none: the kernel gives them out anew when files are met,
 * from the first on after a restart, so that one file has the number that another had before. So do many network and FUSE file systems.
 * Of the same size and time, and older than the last change of the other, it would be taken for that one (departed.ts). Where numbers are
 * not known to last every file is read.
 */
import { errnoOf } from '../../base/errors.ts'
import { self, type Roots } from './roots.ts'
import { statfs } from './sys.ts'

/** f_type of statfs(2): ext2 to ext4, XFS, btrfs, F2FS, bcachefs, ZFS, tmpfs. */
const LASTING: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0xca451a4e, 0x2fc12fc1, 0x01021994])

export class LastingNumbers {
  readonly #roots: Pick<Roots, 'use'>
  readonly #ask: (path: string) => Promise<{ readonly type: number }>
  #lasting: boolean | null

  /** `given`: what to believe in place of asking. */
  constructor(roots: Pick<Roots, 'use'>, given: boolean | null, ask: (path: string) => Promise<{ readonly type: number }> = statfs) {
    this.#roots = roots
    this.#lasting = given
    this.#ask = ask
  }

  /** Asked once; false where it cannot be asked, which is asked again. */
  async last(): Promise<boolean> {
    try {
      this.#lasting ??= LASTING.has(await this.#roots.use('', async (root) => (await this.#ask(self(root))).type))
      return this.#lasting
    } catch (error) {
      if (errnoOf(error) === null) throw error
      return false
    }
  }
}
