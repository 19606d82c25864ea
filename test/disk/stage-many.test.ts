/** Many small files staged at once (decisions/0020-one-sync-for-many-files.md): what one sync of the file system must cover, and where it is not used. */
import test, { type Assert } from 'brittle'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import type { NativeTask } from '../../base/native.ts'
import { WorkerPool } from '../../base/workers.ts'
import type { SyncParts } from '../../daemon/disk/file-system-sync.ts'
import type { WholeFile } from '../../daemon/ports.ts'
import type * as Helpers from './tree.ts'
import type * as Syncs from '../../daemon/disk/file-system-sync.ts'
import type * as Seen from '../../daemon/disk/seen.ts'

const FETCH = '.p2psync/staging/fetch'
const LIKELY = { mode: 0o640, mtime: '1500000000000000000' }
/** What was done, in order: `open PATH`, `fsync PATH`. */
const done: string[] = []
watch()
// After the watch: the modules under test take fsync when they are loaded.
const { fileOp, listOf, MTIME, openFolder }: typeof Helpers = await import('./tree.ts')
const { FileSystemSync, fileSystemOf, isTrustedKernel }: typeof Syncs = await import('../../daemon/disk/file-system-sync.ts')
const { entryTime }: typeof Seen = await import('../../daemon/disk/seen.ts')

function watch(): void {
  const { fsync, openSync } = fs
  fs.fsync = ((fd: number, callback: fs.NoParamCallback) => {
    done.push(`fsync ${fs.readlinkSync(`/proc/self/fd/${fd}`)}`)
    fsync(fd, callback)
  }) as typeof fs.fsync
  fs.openSync = (path, ...rest) => {
    const fd = openSync(path, ...rest)
    done.push(`open ${fs.readlinkSync(`/proc/self/fd/${fd}`)}`)
    return fd
  }
  syncBuiltinESMExports()
}

function filesOf(texts: readonly string[], likely = LIKELY): WholeFile[] {
  return texts.map((text) => ({ list: listOf(text), data: Buffer.from(text), likely }))
}

const TEXTS = Array.from({ length: 40 }, (_, i) => `file ${i}`)

/** `syncs`: what stood in staging at each sync of the file system; `act`: then. */
async function folderOf(t: Assert, { act = () => undefined, parts = {} }: { act?: () => Promise<void> | void; parts?: Partial<SyncParts> } = {}) {
  const syncs: string[][] = []
  const syncfs: NativeTask = async (fd) => {
    const path = fs.readlinkSync(`/proc/self/fd/${fd}`)
    done.push(`syncfs ${path}`)
    syncs.push(fs.readdirSync(path).sort())
    await act()
  }
  const sync = new FileSystemSync({ syncfs: async () => syncfs, isTrusted: async () => true, now: () => performance.now(), ...parts })
  const folder = await openFolder(t, { sync })
  done.length = 0
  return { ...folder, syncs, fetch: join(folder.root, FETCH) }
}

const none = (errors: readonly unknown[]): boolean => errors.every((error) => error === null)
const ofStaged = (each: string): boolean => each.includes(FETCH)

test('invariant 2: many files are brought to the disk by one sync, and count as staged after it', async (t) => {
  const files = filesOf(TEXTS)
  const folder = await folderOf(t, { act: () => t.absent(files.some(({ list }) => folder.disk.isStaged(list.cid)), 'none is staged before') })
  const { disk, syncs, fetch, root } = folder
  t.ok(none(await disk.stageAll(files)))
  t.alike(syncs, [files.map(({ list }) => list.cid).sort()], 'one sync, with all of them there')
  t.ok(files.every(({ list }) => disk.isStaged(list.cid)))
  for (const { list, data } of files) {
    t.alike(fs.readFileSync(join(fetch, list.cid)), data)
    t.is(fs.lstatSync(join(fetch, list.cid)).mode & 0o777, LIKELY.mode)
  }
  const results = await disk.apply(TEXTS.map((text, i) => fileOp(`f${i}`, text, LIKELY)), () => false)
  t.ok(results.every(({ kind }) => kind === 'done'))
  t.absent(done.some((each) => each.startsWith('fsync') && ofStaged(each)), 'and none is synced by itself')
  for (const [i, text] of TEXTS.entries()) {
    const { mode, mtimeNs } = fs.lstatSync(join(root, `f${i}`), { bigint: true })
    t.alike([fs.readFileSync(join(root, `f${i}`), 'utf8'), Number(mode) & 0o777, entryTime(mtimeNs)], [text, LIKELY.mode, LIKELY.mtime])
  }
})

test('invariant 2: the sync is begun before the first byte is written, because it tells only of what goes wrong from then on', async (t) => {
  const { disk, fetch } = await folderOf(t)
  t.ok(none(await disk.stageAll(filesOf(TEXTS))))
  const begun = done.indexOf(`open ${fetch}`)
  t.ok(begun !== -1 && begun < done.findIndex((each) => each.startsWith(`open ${fetch}/`)), done.slice(0, 4).join(', '))
})

test('invariant 2: where the sync fails nothing is staged, all of it is written anew, and each file is synced by itself for a while', async (t) => {
  let failing = true
  const { disk, syncs, fetch } = await folderOf(t, {
    act: () => {
      if (failing) throw Object.assign(new Error('EIO: syncfs'), { code: 'EIO', syscall: 'syncfs' })
    }
  })
  const files = filesOf(TEXTS)
  const errors = await disk.stageAll(files)
  t.ok(errors.every((error) => (error as { code?: string } | null)?.code === 'EIO'), 'each is told')
  t.alike(fs.readdirSync(fetch), [])
  t.absent(files.some(({ list }) => disk.isStaged(list.cid)))
  failing = false
  t.ok(none(await disk.stageAll(files)))
  t.is(syncs.length, 1)
  t.ok((await disk.apply(TEXTS.map((text, i) => fileOp(`f${i}`, text, LIKELY)), () => false)).every(({ kind }) => kind === 'done'))
  t.is(done.filter((each) => each.startsWith('fsync') && ofStaged(each)).length, TEXTS.length)
})

test('what a crash left is gone on with, the same content twice is staged once, and what its owner may not write is staged by itself', async (t) => {
  const { disk, syncs, fetch } = await folderOf(t)
  const files = [...filesOf(TEXTS), ...filesOf(['file 0']), ...filesOf(['read-only'], { ...LIKELY, mode: 0o444 })]
  const left = (files[1] as WholeFile).list.cid
  const staged = await disk.stage((files[1] as WholeFile).list)
  await staged.release()
  t.alike(fs.readdirSync(fetch), [left], 'an empty file of before')
  t.ok(none(await disk.stageAll(files)))
  t.is(syncs.length, 1)
  for (const { list, data } of files) t.alike(fs.readFileSync(join(fetch, list.cid)), data)
  t.is(fs.lstatSync(join(fetch, listOf('read-only').cid)).mode & 0o777, 0o600)
  const results = await disk.apply(TEXTS.map((text, i) => fileOp(`f${i}`, text)), () => false)
  t.ok(results.every(({ kind }) => kind === 'done'), 'with other attributes than they were staged with')
  t.is((await disk.apply([fileOp('g', 'read-only', { mode: 0o444 })], () => false))[0]?.kind, 'done')
})

test('a content that is wanted otherwise meanwhile waits until it is staged with the others, and nothing tidies it away', async (t) => {
  const files = filesOf(TEXTS)
  const first = files[0] as WholeFile
  const { disk, fetch } = await folderOf(t, { act: async () => await disk.keepStaged(new Set()) })
  const all = disk.stageAll(files)
  const staged = await disk.stage(first.list)
  t.ok(disk.isStaged(first.list.cid))
  const missing = staged.missing()
  await staged.release()
  t.ok(none(await all))
  t.alike(missing, [])
  t.is(fs.readdirSync(fetch).length, files.length)
  t.alike(fs.readFileSync(join(fetch, first.list.cid)), first.data)
})

test('few files, another file system, one that cannot be asked, a missing function and a slow one: each file is synced by itself', async (t) => {
  const cases: readonly { readonly parts: Partial<SyncParts>; readonly texts: readonly string[] }[] = [
    { parts: {}, texts: TEXTS.slice(0, 3) },
    { parts: { isTrusted: async () => false }, texts: TEXTS },
    { parts: { isTrusted: async () => await Promise.reject(Object.assign(new Error('ENOENT'), { code: 'ENOENT' })) }, texts: TEXTS },
    { parts: { syncfs: async () => null }, texts: TEXTS }
  ]
  for (const { parts, texts } of cases) {
    const { disk, syncs } = await folderOf(t, { parts })
    t.ok(none(await disk.stageAll(filesOf(texts))))
    t.alike(syncs, [])
    t.ok((await disk.apply(texts.map((text, i) => fileOp(`f${i}`, text, LIKELY)), () => false)).every(({ kind }) => kind === 'done'))
    t.is(done.filter((each) => each.startsWith('fsync') && ofStaged(each)).length, texts.length)
  }
  let now = 0
  const { disk, syncs } = await folderOf(t, { act: () => void (now += 400), parts: { now: () => now } })
  const stage = async (name: string): Promise<number> => {
    t.ok(none(await disk.stageAll(filesOf(TEXTS.map((text) => `${name} ${text}`)))))
    return syncs.length
  }
  t.is(await stage('a'), 1)
  t.is(await stage('b'), 2, 'the first one may have taken along what others had written')
  t.is(await stage('c'), 2)
  now += 30_000
  t.is(await stage('d'), 3)
})

test('where one file cannot be written the others are staged', async (t) => {
  const { disk, fetch } = await folderOf(t)
  const files = filesOf(TEXTS)
  const bad = (files[7] as WholeFile).list
  const first = await disk.stage((files[0] as WholeFile).list)
  await first.release()
  fs.mkdirSync(join(fetch, bad.cid))
  const errors = await disk.stageAll(files)
  t.alike([...errors.keys()].filter((i) => errors[i] !== null), [7])
  t.alike(files.filter(({ list }) => !disk.isStaged(list.cid)).map(({ list }) => list.cid), [bad.cid])
})

test('in a worker thread, with the sync that the system has', async (t) => {
  const workers = new WorkerPool()
  t.teardown(async () => await workers.close())
  const { root, disk } = await openFolder(t, { workers })
  const files = [...filesOf(TEXTS), ...filesOf(['']), ...filesOf(['before 1970'], { mode: 0o755, mtime: '-1500000000123456000' })]
  t.ok(none(await disk.stageAll(files)))
  t.ok(files.every(({ list }) => disk.isStaged(list.cid)))
  const ops = [...TEXTS.map((text, i) => fileOp(`f${i}`, text, { mtime: MTIME })), fileOp('empty', ''), fileOp('old', 'before 1970', { mode: 0o755, mtime: '-1500000000123456000' })]
  t.ok((await disk.apply(ops, () => false)).every(({ kind }) => kind === 'done'))
  for (const [i, text] of TEXTS.entries()) t.is(fs.readFileSync(join(root, `f${i}`), 'utf8'), text)
  t.is(entryTime(fs.lstatSync(join(root, 'old'), { bigint: true }).mtimeNs), '-1500000000123456000')
})

test('the kernels and file systems whose sync is as good as an fsync of each file', (t) => {
  for (const version of ['5.17.0', '6.1.0-18-amd64', '10.0']) t.ok(isTrustedKernel(version), version)
  for (const version of ['5.16.20', '4.19.0', '3.10.0-1160.el7', 'unknown', '']) t.absent(isTrustedKernel(version), version)
  const mounts = '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n23 22 0:21 / /proc rw - proc proc rw\n222 22 0:40 /a\\040-\\040b /mnt/a rw master:2 - fuse.sshfs host: rw\n'
  t.is(fileSystemOf('pos:\t0\nflags:\t012\nmnt_id:\t22\nino:\t7\n', mounts), 'ext4')
  t.is(fileSystemOf('pos:\t0\nmnt_id:\t222\n', mounts), 'fuse.sshfs')
  t.is(fileSystemOf('pos:\t0\nmnt_id:\t2\n', mounts), null)
  t.is(fileSystemOf('', mounts), null)
})
