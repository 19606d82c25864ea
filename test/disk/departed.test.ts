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
    const known = new Departed(rows)
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
