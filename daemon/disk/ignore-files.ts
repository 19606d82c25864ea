/** The texts of `.p2psyncignore` at the root and of its conflict copies (R32). */
import { errnoOf, messageOf, P2psyncError } from '../../base/errors.ts'
import { MAX_IGNORE_BYTES } from '../../base/limits.ts'
import type { PathKey } from '../sync/ids.ts'
import { isIgnoreText, type IgnoreText } from '../sync/ignore.ts'
import { ROOT } from '../sync/path.ts'
import { at, self, type Directory, type Roots } from './roots.ts'
import { close, fstat, open, READ_FLAGS, readFully, readNames } from './sys.ts'

/** The file itself first. Throws FOLDER_HALTED if the root cannot be listed, PATH_DENIED if one cannot be read: syncing without its rules would spread what it holds back. */
export async function readIgnoreFiles(roots: Roots): Promise<readonly IgnoreText[]> {
  return await roots.use(ROOT, async (root) => {
    const all = await readNames(self(root)).catch((error: unknown) => {
      throw roots.cannotList(error)
    })
    // Names are latin1 here; those of conflict copies of this file are ASCII.
    const names = all.filter(isIgnoreText).sort()
    const texts = await Promise.all(names.map(async (name) => await readText(root, name)))
    return names.flatMap((name, i) => ((texts[i] ?? null) === null ? [] : [{ path: name as PathKey, text: texts[i] ?? '' }]))
  })
}

/** Null for what is no regular file, or went meanwhile. */
async function readText(root: Directory, name: string): Promise<string | null> {
  try {
    const fd = await open(at(root, name), READ_FLAGS)
    try {
      const stat = await fstat(fd)
      if (!stat.isFile()) return null
      const buffer = Buffer.alloc(Math.min(Number(stat.size), MAX_IGNORE_BYTES))
      return buffer.toString('utf8', 0, await readFully(fd, buffer, 0, buffer.length, 0))
    } finally {
      await close(fd)
    }
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'ELOOP') return null
    throw new P2psyncError('PATH_DENIED', `cannot read ${name} in ${root.path === '' ? 'the folder' : root.path} (${code ?? messageOf(error)}): its rules are needed; give the right to read it`, { cause: error })
  }
}
