/** What is asked of a file system before the moves of atomic.ts rely on it: one that passes calls on may leave out their flags. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import realFs from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import test from 'brittle'
import { aroundNativeCalls } from './native-calls.ts'

const FUSE = 0x65735546
/** What the file system is, and makes of it. */
const system = { exchanges: true, type: null as number | null, fails: false }
/** Names given without a look at what has them, and renames that replace nothing. */
const counts = { overwritten: 0, noReplace: 0 }

/** Before the modules of disk/ are loaded, which bind these functions. */
function makeSloppy(): void {
  const require = createRequire(import.meta.url)
  const native = require('fs-native-extensions') as { swap: (a: string, b: string) => Promise<void> }
  const { swap } = native
  native.swap = async (a, b) => {
    if (system.exchanges) return await swap(a, b)
    counts.overwritten++
    realFs.renameSync(a, b)
  }
  const fs = require('node:fs') as { statfsSync: typeof realFs.statfsSync }
  const { statfsSync } = fs
  fs.statfsSync = ((path: string) => ({ ...statfsSync(path), ...(system.type === null ? {} : { type: system.type }) })) as typeof statfsSync
  syncBuiltinESMExports()
  aroundNativeCalls((real) => ({
    atOnce: (...args) => {
      if (real.info.name !== 'renameat2') return real(...args)
      counts.noReplace++
      if (system.fails) throw Object.assign(new Error('EIO: renameat2'), { code: 'EIO' })
      return real(...args)
    },
    inPool: (...args) => real.async(...args)
  }))
}

makeSloppy()
const { applyOne, fileOp, leftInStaging, moveOp, openFolder, read, stage, statOf, tree } = await import('./tree.ts')
const { renameNew } = await import('../../daemon/disk/sys.ts')

interface Case {
  readonly name: string
  readonly system: Partial<typeof system>
  readonly usesNoReplace: boolean
}

const CASES: readonly Case[] = [
  { name: 'on a file system of this kernel', system: {}, usesNoReplace: true },
  { name: 'where the flag of an exchange is left out', system: { exchanges: false }, usesNoReplace: true },
  { name: 'where another program gives the names', system: { type: FUSE }, usesNoReplace: false },
  { name: 'where another program gives the names, and leaves out flags', system: { type: FUSE, exchanges: false }, usesNoReplace: false },
  { name: 'where a rename that replaces nothing fails', system: { fails: true }, usesNoReplace: false }
]

for (const { name, system: is, usesNoReplace } of CASES) {
  test(`invariant 1: ${name} nothing is overwritten`, async (t) => {
    Object.assign(system, { exchanges: true, type: null, fails: false }, is)
    const acts = { beforeMove: (): void => undefined }
    const { root, disk } = await openFolder(t, { hooks: { beforeMove: () => acts.beforeMove() } })
    fs.writeFileSync(join(root, 'a'), 'old')
    await stage(disk, 'new')
    t.is((await applyOne(disk, fileOp('a', 'new', { expect: statOf(root, 'a') }))).kind, 'done')
    Object.assign(counts, { overwritten: 0, noReplace: 0 })
    acts.beforeMove = () => fs.writeFileSync(join(root, 'b'), "the user's")
    await stage(disk, 'newer')
    t.is((await applyOne(disk, fileOp('b', 'newer'))).kind, 'changed')
    acts.beforeMove = () => fs.writeFileSync(join(root, 'a'), "the user's")
    t.is((await applyOne(disk, fileOp('a', 'newer', { expect: statOf(root, 'a') }))).kind, 'changed')
    t.is(read(root, 'b'), "the user's")
    t.ok(tree(root).some((path) => path.startsWith('a') && read(root, path) === "the user's"), tree(root).join(' '))
    t.is(counts.overwritten, 0)
    t.is(counts.noReplace > 0, usesNoReplace, `${counts.noReplace} renames that replace nothing`)
    t.alike(leftInStaging(root), [])
  })
}

test('a name that is taken is refused, whatever has it; one that is free is given, and an open file goes along', async (t) => {
  system.fails = false
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

const mayMount = process.getuid?.() === 0
if (!mayMount) console.log('# what is asked of a full disk is skipped: needs root')

test('a disk without room for a byte is asked all the same: files are renamed, and get their names', { skip: !mayMount }, async (t) => {
  Object.assign(system, { exchanges: true, type: null, fails: false })
  const at = await t.tmp()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'p2psync-test', at])
  t.teardown(() => execFileSync('umount', ['-l', at]), { order: -1 })
  const { root, disk } = await openFolder(t, { root: join(at, 'folder') })
  for (const name of ['a', 'b']) fs.writeFileSync(join(root, name), name)
  await stage(disk, 'new')
  t.exception(() => fs.writeFileSync(join(at, 'filler'), Buffer.alloc(1 << 20)), /ENOSPC/)
  t.is(fs.statfsSync(at).bavail, 0)
  Object.assign(counts, { overwritten: 0, noReplace: 0 })
  t.is((await applyOne(disk, moveOp('a', 'moved', statOf(root, 'a')))).kind, 'done')
  t.is((await applyOne(disk, fileOp('new', 'new'))).kind, 'done')
  t.ok(counts.noReplace > 1, 'and once to ask')
  t.alike([read(root, 'moved'), read(root, 'new'), read(root, 'b')], ['a', 'new', 'b'])
  t.alike(leftInStaging(root), [])
})
