/** What is asked of a file system before the moves of atomic.ts rely on it: one that passes calls on may leave out their flags. */
import * as fs from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import realKoffi from 'koffi'

/** What the system makes of the flags. */
const passes = { exchange: true, noReplace: true }
/** Names given without a look at what has them. */
let overwrites = 0

/** Before the modules of disk/ are loaded, which bind these functions. */
function makeSloppy(): void {
  const require = createRequire(import.meta.url)
  const native = require('fs-native-extensions') as { swap: (a: string, b: string) => Promise<void> }
  const { swap } = native
  native.swap = async (a, b) => {
    if (passes.exchange) return await swap(a, b)
    overwrites++
    fs.renameSync(a, b)
  }
  interface Call {
    (...args: unknown[]): unknown
    readonly info: { readonly name: string }
  }
  const koffi = realKoffi as unknown as { load: (name: null) => { func(declaration: string): Call } }
  const { load } = koffi
  koffi.load = (name) => {
    const library = load(name)
    return {
      func: (declaration) => {
        const real = library.func(declaration)
        const call = (...args: unknown[]): unknown => {
          if (passes.noReplace || real.info.name !== 'renameat2') return real(...args)
          overwrites++
          fs.renameSync(args[1] as string, args[3] as string)
          return 0
        }
        return Object.assign(call, { info: real.info, async: (real as unknown as { async: unknown }).async })
      }
    }
  }
}

makeSloppy()
const { applyOne, fileOp, leftInStaging, openFolder, read, stage, statOf, tree } = await import('./tree.ts')
const { renameNew } = await import('../../daemon/disk/sys.ts')

/** A file comes where another stands, and one where the user makes his own in that moment. */
async function replaced(t: Assert): Promise<void> {
  const acts = { beforeMove: (): void => undefined }
  const folder = await openFolder(t, { hooks: { beforeMove: () => acts.beforeMove() } })
  const { root, disk } = folder
  fs.writeFileSync(join(root, 'a'), 'old')
  await stage(disk, 'new')
  t.is((await applyOne(disk, fileOp('a', 'new', { expect: statOf(root, 'a') }))).kind, 'done')
  overwrites = 0
  acts.beforeMove = () => fs.writeFileSync(join(root, 'b'), "the user's")
  await stage(disk, 'newer')
  t.is((await applyOne(disk, fileOp('b', 'newer'))).kind, 'changed')
  acts.beforeMove = () => fs.writeFileSync(join(root, 'a'), "the user's")
  t.is((await applyOne(disk, fileOp('a', 'newer', { expect: statOf(root, 'a') }))).kind, 'changed')
  t.is(read(root, 'b'), "the user's")
  t.ok(tree(root).some((path) => path.startsWith('a') && read(root, path) === "the user's"), tree(root).join(' '))
  t.is(overwrites, 0)
  t.alike(leftInStaging(root), [])
}

for (const exchange of [true, false]) {
  for (const noReplace of [true, false]) {
    test(`invariant 1: nothing is overwritten where flags of a rename ${exchange && noReplace ? 'count' : `are left out (exchange ${exchange}, no replace ${noReplace})`}`, async (t) => {
      Object.assign(passes, { exchange, noReplace })
      await replaced(t)
      Object.assign(passes, { exchange: true, noReplace: true })
    })
  }
}

test('a name that is taken is refused, whatever has it; one that is free is given, and an open file goes along', async (t) => {
  const at = (name: string): string => join(root, name)
  const root = await t.tmp()
  for (const name of ['from', 'file']) fs.writeFileSync(at(name), name)
  fs.symlinkSync('nowhere', at('link'))
  fs.mkdirSync(at('directory'))
  fs.linkSync(at('from'), at('itself'))
  for (const taken of ['file', 'link', 'directory', 'itself']) {
    const code = await renameNew(at('from'), at(taken)).then(() => 'given', (error: unknown) => (error as { code: string }).code)
    t.is(code, 'EEXIST', taken)
  }
  t.is(await renameNew(at('none'), at('new')).then(() => 'given', (error: unknown) => (error as { code: string }).code), 'ENOENT')
  const fd = fs.openSync(at('from'), 'a')
  await renameNew(at('from'), at('näme 1'))
  fs.writeSync(fd, ' and more')
  fs.closeSync(fd)
  t.alike([fs.readFileSync(at('näme 1'), 'utf8'), fs.existsSync(at('from'))], ['from and more', false])
  await renameNew(at('directory'), at('directory 1'))
  t.ok(fs.statSync(at('directory 1')).isDirectory())
})
