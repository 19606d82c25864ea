/** What the user writes between the look of an apply at a file and its last one, when attributes are set. */
import * as fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { setOpenFile, setOpenFileInPool } from '../../daemon/disk/attributes.ts'
import { FarLane } from '../../daemon/disk/far-lane.ts'
import type { ApplyOp } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import type { Step } from '../../daemon/disk/sys.ts'
import { applyOne, openFolder, scan, told } from './tree.ts'

for (const [what, text, mtime] of [['of another size, a new mode', 'longer than before', null], ['of the same size, a new mode', 'TEXT', null], ['of another size, a new mtime', 'longer than before', '1700000000000000000']] as const) {
  test(`an edit ${what}, within the setting of attributes is found by the next scan`, async (t) => {
    const folder = await openFolder(t)
    const path = join(folder.root, 'f')
    fs.writeFileSync(path, 'text')
    await new Promise((resolve) => setTimeout(resolve, 30))
    await scan(folder)
    const real = { chmodSync: fs.chmodSync, utimesSync: fs.utimesSync }
    const hook = (): void => fs.writeFileSync(path, text)
    const target = fs as unknown as { default: typeof fs }
    if (mtime === null) target.default.chmodSync = (...values: Parameters<typeof fs.chmodSync>) => { hook(); real.chmodSync(...values) }
    else target.default.utimesSync = (...values: Parameters<typeof fs.utimesSync>) => { hook(); real.utimesSync(...values) }
    syncBuiltinESMExports()
    const op: ApplyOp = { kind: 'attributes', path: 'f' as PathKey, expect: folder.rows.seen('f'), mode: mtime === null ? 0o600 : null, mtime }
    const result = await applyOne(folder.disk, op)
    Object.assign(target.default, real)
    syncBuiltinESMExports()
    t.is(fs.readFileSync(path, 'utf8'), text)
    if (result.kind === 'done' && result.seen !== null) {
      const row = await folder.rows.row('f' as PathKey)
      folder.rows.put('f', { ...(row as NonNullable<typeof row>), seen: result.seen })
    }
    t.alike(told(await scan(folder)), ['present f'])
  })
}

const op = { kind: 'attributes', path: 'f' as PathKey, expect: null as never, mode: 0o600, mtime: '1700000000000000000' } as const

async function opened(t: Assert): Promise<{ readonly path: string; readonly fd: number; readonly before: fs.BigIntStats }> {
  const path = join(await t.tmp(), 'f')
  fs.writeFileSync(path, 'text', { mode: 0o644 })
  const fd = fs.openSync(path, 'r')
  t.teardown(() => fs.closeSync(fd))
  return { path, fd, before: fs.fstatSync(fd, { bigint: true }) }
}

const always: Step = async (call) => await call()

for (const [how, set] of [['at once', setOpenFile], ['in the pool', async (...values: Parameters<typeof setOpenFile>) => await setOpenFileInPool(always, ...values)]] as const) {
  test(`what was written before the look at the open file keeps its attributes, ${how}`, async (t) => {
    const { path, fd, before } = await opened(t)
    fs.writeFileSync(path, 'longer than before')
    const written = fs.fstatSync(fd, { bigint: true })
    t.is(await set(fd, before, op), null)
    t.alike(fs.fstatSync(fd, { bigint: true }), written)
    const after = await set(fd, written, op)
    t.is(Number(after?.mode) & 0o777, 0o600)
    // What is below a microsecond differs between versions of Node.
    t.is((after?.mtimeNs ?? 0n) / 1000n, 1_700_000_000_000_000n)
    t.is(await set(fd, before, { ...op, mode: null, mtime: null }), null)
    t.alike(await set(fd, after as NonNullable<typeof after>, { ...op, mode: null, mtime: null }), fs.fstatSync(fd, { bigint: true }))
  })
}

test('attributes of a folder that is given up meanwhile are not set', async (t) => {
  const { fd, before } = await opened(t)
  for (const [steps, mode] of [[1, 0o644], [2, 0o600]] as const) {
    const lane = new FarLane()
    let left = steps
    const step: Step = async (call) =>
      await lane.step(async () => {
        const result = await call()
        if (--left === 0) lane.cut()
        return result
      })
    await t.exception(async () => await setOpenFileInPool(step, fd, before, op), /does not answer/)
    const after = fs.fstatSync(fd, { bigint: true })
    t.is(Number(after.mode) & 0o777, mode)
    t.is(after.mtimeNs, before.mtimeNs)
  }
})
