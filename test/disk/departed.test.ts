/** Which files a scan takes for ones that it knows from elsewhere. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { Departed } from '../../daemon/disk/departed.ts'
import { toSeen } from '../../daemon/disk/seen.ts'
import type { Row } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { listOf, Rows } from './tree.ts'

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
