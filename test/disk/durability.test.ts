/** The order of fsyncs (invariant 2), seen from outside: what was synced by the time something gets its name, and by the end. */
import test, { type Assert } from 'brittle'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import type * as Helpers from './tree.ts'

/** Where the descriptors pointed that were synced, in order. */
const synced: string[] = []
/** What a file gets, and is known to get when it is staged. */
const LIKELY = { mode: 0o640, mtime: '1500000000000000000' }
/** The next sync of such a path fails, as the first one does after bytes could not be written; the kernel says nothing of it to the next. */
let refused: RegExp | null = null
watchSyncs()
// After the watch: the module under test takes fsync when it is loaded.
const { applyOne, directoryOp, fileOp, listOf, openFolder, removeOp, scan, stage }: typeof Helpers = await import('./tree.ts')

/** The time as entries have it, in microseconds. */
function attributes(path: string): [mode: number, mtime: string] {
  const { mode, mtimeNs } = fs.lstatSync(path, { bigint: true })
  return [Number(mode) & 0o777, String((mtimeNs / 1000n) * 1000n)]
}

function watchSyncs(): void {
  const { fsync, fdatasync } = fs
  const noting = (name: string, sync: typeof fs.fsync) => (fd: number, callback: fs.NoParamCallback) => {
    const path = fs.readlinkSync(`/proc/self/fd/${fd}`)
    if (refused?.test(path) === true) {
      refused = null
      callback(Object.assign(new Error(`EIO: i/o error, ${name}`), { code: 'EIO', syscall: name }))
      return
    }
    synced.push(path)
    sync(fd, callback)
  }
  fs.fsync = noting('fsync', fsync) as typeof fs.fsync
  fs.fdatasync = noting('fdatasync', fdatasync) as typeof fs.fdatasync
  const { fsyncSync, renameSync } = fs
  fs.fsyncSync = (fd) => {
    synced.push(fs.readlinkSync(`/proc/self/fd/${fd}`))
    fsyncSync(fd)
  }
  fs.renameSync = (from, to) => {
    synced.push(`renamed to ${String(to)}`)
    renameSync(from, to)
  }
  syncBuiltinESMExports()
}

function isNotes(path: string): boolean {
  return /\/\.p2psync\/history\/[^/]+\.paths$/.test(path)
}

function isHour(path: string): boolean {
  return /\/\.p2psync\/history\/[^/.]+$/.test(path)
}

/** A folder with a file `d/old` that was scanned; `named`: what was synced when the tree was about to change. */
async function folderWithFile(t: Assert) {
  const named: string[][] = []
  const folder = await openFolder(t, { hooks: { beforeMove: () => void named.push([...synced]) } })
  fs.mkdirSync(join(folder.root, 'd'))
  fs.writeFileSync(join(folder.root, 'd/old'), 'old')
  await scan(folder)
  synced.length = 0
  return { ...folder, named }
}

test('invariant 2: a new file is synced before it gets its name, its directory after', async (t) => {
  const { root, disk, named } = await folderWithFile(t)
  const cid = await stage(disk, 'new')
  t.is((await applyOne(disk, fileOp('d/new', 'new'))).kind, 'done')
  t.ok(named[0]?.some((path) => path.includes(cid)), 'the content was synced in staging')
  t.ok(synced.slice(named[0]?.length ?? 0).includes(join(root, 'd')), 'the directory was synced after the name was given')
})

test('invariant 2: a replacement is synced before the exchange; both directories and the history after', async (t) => {
  const { root, disk, rows, named } = await folderWithFile(t)
  const cid = await stage(disk, 'new')
  t.is((await applyOne(disk, fileOp('d/old', 'new', { expect: rows.seen('d/old') }))).kind, 'done')
  t.ok(named[0]?.some((path) => path.includes(cid) || path.includes('.p2psync/staging')), 'the content was synced in staging')
  const after = synced.slice(named[0]?.length ?? 0)
  t.ok(after.includes(join(root, 'd')), 'the directory')
  t.ok(named[0]?.some(isNotes), 'where it stood was written down')
  t.ok(after.some(isHour), 'the history')
})

test('invariant 2: what is removed is in a synced history by the end', async (t) => {
  const { root, disk, rows, named } = await folderWithFile(t)
  t.is((await applyOne(disk, removeOp('d/old', rows.seen('d/old')))).kind, 'done')
  t.ok(named[0]?.some(isNotes), 'where it stood was written down')
  t.ok(synced.includes(join(root, 'd')), 'the directory')
  t.ok(synced.some(isHour), 'the history')
})

test('invariant 2: the name of a new directory is synced', async (t) => {
  const { root, disk } = await folderWithFile(t)
  t.is((await applyOne(disk, directoryOp('d/sub'))).kind, 'done')
  t.ok(synced.includes(join(root, 'd')))
})

test('R42, R44: secrets are synced before they get their name, the directory after', async (t) => {
  const { writeDurably } = await import('../../base/durable-file.ts')
  const path = join(await t.tmp(), 'keys/secret')
  synced.length = 0
  writeDurably(path, 'secret')
  t.is(synced.length, 4)
  t.is(synced[0], join(path, '../..'), 'where the directory, which is new, has its name')
  t.ok(synced[1]?.startsWith(`${path}.`), 'the draft')
  t.is(synced[2], `renamed to ${path}`)
  t.is(synced[3], join(path, '..'), 'the directory')
})

test('invariant 2: bytes whose sync has failed are not asked to be synced again, but written anew', async (t) => {
  const { root, disk } = await folderWithFile(t)
  const cid = await stage(disk, 'new')
  const staged = join(root, '.p2psync/staging/fetch', cid)
  const { ino } = fs.lstatSync(staged)
  // Holds the inode, so that the next file gets another one.
  const fd = fs.openSync(staged, 'r')
  t.teardown(() => fs.closeSync(fd))
  refused = new RegExp(cid)
  t.is((await applyOne(disk, fileOp('d/new', 'new'))).kind, 'problem')
  t.absent(disk.isStaged(cid))
  t.is((await applyOne(disk, fileOp('d/new', 'new'))).kind, 'not-staged')
  await stage(disk, 'new')
  t.is((await applyOne(disk, fileOp('d/new', 'new'))).kind, 'done')
  t.unlike(fs.lstatSync(join(root, 'd/new')).ino, ino)
})

test('invariant 2: what was brought to the disk when it was sealed gets its name as it is', async (t) => {
  const { root, disk, named } = await folderWithFile(t)
  const cid = await stage(disk, 'new', LIKELY)
  t.ok(synced.some((path) => path.includes(cid)))
  synced.length = 0
  t.is((await applyOne(disk, fileOp('d/new', 'new', LIKELY))).kind, 'done')
  t.alike(named[0], [], 'it was synced before')
  t.ok(synced.includes(join(root, 'd')), 'its directory after')
  t.alike(attributes(join(root, 'd/new')), [LIKELY.mode, LIKELY.mtime])
})

test('invariant 2: it is synced anew where it gets other attributes, or something has happened to it since', async (t) => {
  const { root, disk } = await folderWithFile(t)
  const again = async (path: string, data: string, more: Partial<typeof LIKELY> = {}, touch: (staged: string) => void = () => undefined): Promise<boolean> => {
    const cid = await stage(disk, data, LIKELY)
    touch(join(root, '.p2psync/staging/fetch', cid))
    synced.length = 0
    t.is((await applyOne(disk, fileOp(path, data, { ...LIKELY, ...more }))).kind, 'done')
    t.alike(attributes(join(root, path)), [more.mode ?? LIKELY.mode, more.mtime ?? LIKELY.mtime])
    return synced.some((each) => each.includes(cid))
  }
  t.absent(await again('d/same', 'same'))
  t.ok(await again('d/mode', 'mode', { mode: 0o600 }))
  t.ok(await again('d/mtime', 'mtime', { mtime: '1600000000000000000' }))
  t.ok(await again('d/touched', 'touched', {}, (staged) => fs.chmodSync(staged, 0o400)))
  t.ok(await again('d/another', 'another', {}, (staged) => {
    fs.copyFileSync(staged, `${staged}.new`)
    fs.renameSync(`${staged}.new`, staged)
  }))
})

test('what is staged can be read and written as long as it may be copied, whatever it will have', async (t) => {
  const { root, disk } = await folderWithFile(t)
  for (const mode of [0o000, 0o200, 0o400, 0o444, 0o644]) {
    const data = `mode ${mode}`
    const cid = await stage(disk, data, { ...LIKELY, mode })
    t.is(fs.lstatSync(join(root, '.p2psync/staging/fetch', cid)).mode & 0o600, 0o600)
    const results = await disk.apply(['d/one', 'd/two'].map((name) => fileOp(`${name}-${mode}`, data, { ...LIKELY, mode })), () => false)
    t.alike(results.map(({ kind }) => kind), ['done', 'done'])
    t.is(fs.lstatSync(join(root, `d/two-${mode}`)).mode & 0o777, mode)
  }
})

test('invariant 2: where bringing it to the disk fails when it is sealed, it is not staged, and written anew', async (t) => {
  const { root, disk } = await folderWithFile(t)
  refused = /staging\/fetch/
  await t.exception(stage(disk, 'new', LIKELY), /EIO/)
  t.absent(disk.isStaged(listOf('new').cid))
  t.alike(fs.readdirSync(join(root, '.p2psync/staging/fetch')), [])
  t.is((await applyOne(disk, fileOp('d/new', 'new', LIKELY))).kind, 'not-staged')
  await stage(disk, 'new', LIKELY)
  t.is((await applyOne(disk, fileOp('d/new', 'new', LIKELY))).kind, 'done')
})

test('invariant 2: so it is where a large content is synced before it is sealed', async (t) => {
  const { root, disk } = await folderWithFile(t)
  const text = 'large'.repeat(1024 * 1024)
  refused = /staging\/fetch/
  const staged = await disk.stage(listOf(text))
  await staged.write(0, Buffer.from(text))
  await t.exception(staged.seal(), /EIO/)
  await staged.release()
  t.alike(fs.readdirSync(join(root, '.p2psync/staging/fetch')), [])
  const cid = await stage(disk, text)
  t.ok(disk.isStaged(cid))
  t.alike(fs.readdirSync(join(root, '.p2psync/staging/fetch')), [cid])
})
