/** A directory of the same file system that is mounted inside a folder is no part of it, as any other mount. Skipped where this user may not mount. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { mountIdIn } from '../../daemon/disk/mount-of.ts'
import { applyOne, fileOp, openFolder, read, removeOp, scan, stage, told, type Folder } from './tree.ts'

/** `d/f` and `d/deep/g` in the folder, `other` elsewhere on its file system; null: this user may not mount. */
async function mounted(t: Assert): Promise<{ readonly folder: Folder; mount(at: string): void; unmount(at: string): void } | null> {
  const folder = await openFolder(t)
  const outside = await t.tmp()
  fs.writeFileSync(join(outside, 'other'), 'o')
  fs.mkdirSync(join(folder.root, 'd/deep'), { recursive: true })
  for (const name of ['d/f', 'd/deep/g']) fs.writeFileSync(join(folder.root, name), name)
  await scan(folder)
  const standing = new Set<string>()
  const unmount = (at: string): void => {
    if (standing.delete(at)) execFileSync('umount', ['-l', join(folder.root, at)])
  }
  t.teardown(() => [...standing].forEach(unmount), { order: 500, force: true })
  const mount = (at: string): void => {
    execFileSync('mount', ['--bind', outside, join(folder.root, at)], { stdio: 'ignore' })
    standing.add(at)
  }
  try {
    mount('d')
    unmount('d')
  } catch {
    t.comment('SKIPPED: cannot mount a directory here')
    return null
  }
  return { folder, mount, unmount }
}

test('what a mounted directory of the same file system covers is not gone, and what is in it is not new', async (t) => {
  const bench = await mounted(t)
  if (bench === null) return t.pass()
  const { folder, mount, unmount } = bench
  for (const at of ['d', 'd/deep']) {
    mount(at)
    const found = told(await scan(folder)).filter((line) => line !== `present ${at}`)
    t.alike(found, [`problem ${at} mount`])
    t.alike(told(await scan(folder, { paths: [at as never, `${at}/other` as never] })).filter((line) => /absent|other/.test(line)), [])
    unmount(at)
    t.alike(told(await scan(folder)).filter((line) => line !== `present ${at}`), [`healed ${at}`])
    t.is(folder.rows.seen('d/f').size, 3)
  }
})

test('nothing is written into a mounted directory of the same file system', async (t) => {
  const bench = await mounted(t)
  if (bench === null) return t.pass()
  const { folder, mount, unmount } = bench
  mount('d')
  await stage(folder.disk, 'new')
  t.not((await applyOne(folder.disk, fileOp('d/new', 'new'))).kind, 'done')
  t.not((await applyOne(folder.disk, removeOp('d/f', folder.rows.seen('d/f')))).kind, 'done')
  t.alike(fs.readdirSync(join(folder.root, 'd')), ['other'])
  unmount('d')
  t.is(read(folder.root, 'd/f'), 'd/f')
})

test('a system that does not tell of mounts', (t) => {
  t.is(mountIdIn('pos:\t0\nflags:\t0\n'), null)
  t.is(mountIdIn('pos:\t0\nmnt_id:\t29\nino:\t1\n'), '29')
})
