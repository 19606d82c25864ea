/** Which files a scan takes for ones that it knows from elsewhere. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { Departed } from '../../daemon/disk/departed.ts'
import { toSeen } from '../../daemon/disk/seen.ts'
import type { DiskOptions } from '../../daemon/disk/disk.ts'
import { LastingNumbers } from '../../daemon/disk/lasting-numbers.ts'
import type { Directory, Roots } from '../../daemon/disk/roots.ts'
import type { Row, SeenStat } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { listOf, openFolder, Rows, scan } from './tree.ts'

const OLD = 'old' as PathKey
const NEW = 'new' as PathKey

test('what was born later is another file', async (t) => {
  const path = join(await t.tmp(), 'f')
  fs.writeFileSync(path, 'bytes')
  const stat = fs.lstatSync(path, { bigint: true })
  const rows = new Rows()
  const list = listOf('bytes')
  rows.hold(list)
  const departed = (ctimeNs: bigint): Departed => {
    const known = new Departed(rows, 1)
    known.note(OLD, { entry: { kind: 'file', cid: list.cid } as Row['entry'], seen: { ...toSeen(stat), ctimeNs: String(ctimeNs) } })
    return known
  }
  const born = stat.birthtimeNs
  t.is(await departed(born - 1n).find(NEW, stat), null, 'an inode that was used again')
  const found = await departed(born).find(NEW, stat)
  t.is(found?.kind === 'present' ? found.moved?.from : null, OLD)
  t.is(await departed(born).find(NEW, Object.assign(Object.create(stat) as fs.BigIntStats, { size: 6n })), null)
  t.is(await departed(born).find(NEW, Object.assign(Object.create(stat) as fs.BigIntStats, { birthtimeNs: 0n })), null, 'a file system that knows no births')
})

test('of many files that are gone only the paths are kept, and each is found all the same', async (t) => {
  const tmp = await t.tmp()
  const rows = new Rows()
  const known = new Departed(rows, 1)
  const names = ['a', 'b', 'c']
  for (const name of names) {
    fs.writeFileSync(join(tmp, name), name)
    const list = listOf(name)
    rows.hold(list)
    rows.put(name, { entry: { kind: 'file', cid: list.cid } as Row['entry'], seen: toSeen(fs.lstatSync(join(tmp, name), { bigint: true })) })
    known.note(name as PathKey, (await rows.row(name as PathKey)) as Row)
  }
  const from = async (name: string): Promise<PathKey | null> => {
    const found = await known.find(NEW, fs.lstatSync(join(tmp, name), { bigint: true }))
    return found?.kind === 'present' ? (found.moved?.from ?? null) : null
  }
  for (const name of names) t.is(await from(name), name)
  const row = (await rows.row('c' as PathKey)) as Row
  rows.put('c', { ...row, seen: { ...rows.seen('c'), ino: '1' } })
  t.is(await from('c'), null, 'its row speaks of another file by now')
})

/** After a restart, or once the disk was out: exFAT and FAT keep no inode numbers, and the kernel gives them out anew, from the first on. */
async function renumbered(t: Assert, options: Partial<DiskOptions>): Promise<readonly string[]> {
  const folder = await openFolder(t, options)
  const names = ['0', '1', '2']
  for (const name of names) fs.writeFileSync(join(folder.root, name), name)
  for (const name of names) fs.utimesSync(join(folder.root, name), 1_700_000_000, 1_700_000_000)
  await scan(folder)
  const seen = names.map((name) => folder.rows.seen(name))
  for (const [i, name] of names.entries()) {
    const { ino } = seen[(i + 1) % names.length] as SeenStat
    folder.rows.put(name, { entry: { kind: 'file', cid: listOf(name).cid } as Row['entry'], seen: { ...(seen[i] as SeenStat), ino } })
  }
  const found = await scan(folder)
  return found.flatMap((finding) => (finding.kind === 'present' && finding.node.kind === 'file' && finding.node.content.cid !== listOf(finding.path).cid ? [finding.path] : []))
}

test('where the numbers of files do not last none is taken for another of its size and time', async (t) => {
  t.alike(await renumbered(t, { lastingNumbers: false }), [])
  t.is((await renumbered(t, { lastingNumbers: true })).length, 3, 'they say nothing there')
})

test('numbers last on ext4, and are not believed on what is not known', async (t) => {
  const asked: string[] = []
  const numbers = (type: number): LastingNumbers => new LastingNumbers({ use: async (path: string, run: (directory: Directory) => Promise<unknown>) => await run({ fd: 0, path } as Directory) } as unknown as Roots, null, async (path) => (asked.push(path), { type }))
  t.ok(await numbers(0xef53).last())
  t.absent(await numbers(0x4d44).last(), 'FAT')
  t.absent(await numbers(0x2011bab0).last(), 'exFAT')
  t.absent(await numbers(0x65735546).last(), 'FUSE')
  t.alike(asked, Array.from({ length: 4 }, () => '/proc/self/fd/0'))
})
