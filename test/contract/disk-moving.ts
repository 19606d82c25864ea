/** The part of the disk's contract that moves must keep. */
import type { ApplyOp, SeenStat } from '../../daemon/ports.ts'
import { type Check, HISTORY, MTIME, absorb, apply, create, directory, inMicroseconds, key, scan, seen, stage } from './disk-helpers.ts'

type Moving = Extract<ApplyOp, { readonly kind: 'move' }>

function moving(from: string, path: string, source: SeenStat, more: Partial<Moving> = {}): Moving {
  return { kind: 'move', path: key(path), expect: null, from: key(from), source, mode: null, mtime: null, displace: HISTORY, ...more }
}

export function movingFiles(check: Check): void {
  check('a file moves with its bytes, mode and times, and nothing goes to history', async (t, bench) => {
    await bench.user.write('a', 'bytes')
    const before = await seen(bench, 'a')
    const [made, result] = await apply(bench, directory('d'), moving('a', 'd/b', before))
    const after = await bench.user.stat('d/b')
    t.is(made?.kind, 'done')
    t.alike(result, { kind: 'done', seen: after, kept: null })
    t.alike([await bench.user.read('d/b'), await bench.user.stat('a')], ['bytes', null])
    t.alike({ ...after, ctimeNs: '' }, { ...before, ctimeNs: '' }, 'it is the same inode')
    t.alike((await bench.disk.history()).files, [])
  })

  check('a moved file is no news to a scan', async (t, bench) => {
    await bench.user.write('a', 'bytes')
    await absorb(bench)
    const row = await bench.known.row(key('a'))
    const [result] = await apply(bench, moving('a', 'b', await seen(bench, 'a')))
    if (result?.kind !== 'done' || row === null) return t.fail(JSON.stringify(result))
    bench.known.put('b', { entry: row.entry, seen: result.seen })
    bench.known.put('a', { entry: { kind: 'tombstone', vv: {}, dots: [] }, seen: null })
    t.alike(await scan(bench), [])
  })

  check('a move sets mode and mtime where it is asked to', async (t, bench) => {
    await bench.user.write('a', 'bytes')
    const [result] = await apply(bench, moving('a', 'b', await seen(bench, 'a'), { mode: 0o600, mtime: MTIME }))
    const after = await bench.user.stat('b')
    t.alike(result, { kind: 'done', seen: after, kept: null })
    t.alike([(after?.mode ?? 0) & 0o777, inMicroseconds(after)], [0o600, MTIME])
  })

  check('a move over a file keeps that in history', async (t, bench) => {
    await bench.user.write('a', 'new')
    await bench.user.write('b', 'old bytes')
    const [result] = await apply(bench, moving('a', 'b', await seen(bench, 'a'), { expect: await seen(bench, 'b') }))
    if (result?.kind !== 'done' || result.kept === null) return t.fail(JSON.stringify(result))
    t.alike([await bench.user.read('b'), await bench.user.stat('a')], ['new', null])
    t.is((await bench.disk.read({ area: 'history', path: result.kept }, 0, 9))?.toString(), 'old bytes')
    t.is((await bench.disk.history()).files.length, 1)
  })

  check('a file takes the place of an empty directory, and a symbolic link moves too', async (t, bench) => {
    await bench.user.write('a', 'new')
    await bench.user.mkdir('d')
    await bench.user.symlink('l', 'text')
    const results = await apply(bench, moving('a', 'd', await seen(bench, 'a'), { expect: await seen(bench, 'd') }), moving('l', 'm', await seen(bench, 'l')))
    t.alike(results.map((result) => result.kind), ['done', 'done'])
    t.alike([await bench.user.read('d'), await bench.user.target('m'), await bench.user.stat('l')], ['new', 'text', null])
  })

  check('several moves follow each other', async (t, bench) => {
    for (const path of ['a', 'b']) await bench.user.write(path, path)
    const [a, b] = [await seen(bench, 'a'), await seen(bench, 'b')]
    const results = await apply(bench, moving('b', 'c', b), moving('a', 'b', a))
    t.alike(results.map((result) => result.kind), ['done', 'done'])
    t.alike([await bench.user.stat('a'), await bench.user.read('b'), await bench.user.read('c')], [null, 'a', 'b'])
  })
}

export function refusingMoves(check: Check): void {
  check('nothing moves that changed, or to where something stands that nobody expected', async (t, bench) => {
    await bench.user.write('a', 'old')
    const expect = await seen(bench, 'a')
    await bench.user.write('b', 'mine')
    t.alike(await apply(bench, moving('a', 'b', expect)), [{ kind: 'changed', paths: [key('b')], stray: null }])
    await bench.user.write('a', 'edited')
    t.alike(await apply(bench, moving('a', 'c', expect)), [{ kind: 'changed', paths: [key('a')], stray: null }])
    t.alike([await bench.user.read('a'), await bench.user.read('b'), await bench.user.stat('c')], ['edited', 'mine', null])
  })

  check('nothing moves that is gone or a directory, or into what is no directory', async (t, bench) => {
    await bench.user.write('a', 'a')
    const expect = await seen(bench, 'a')
    for (const path of ['missing/b', 'a/b']) {
      const [result] = await apply(bench, moving('a', path, expect))
      t.ok(result?.kind === 'changed' || result?.kind === 'problem', path)
    }
    await bench.user.mkdir('d')
    t.is((await apply(bench, moving('d', 'e', await seen(bench, 'd'))))[0]?.kind, 'changed')
    await bench.user.unlink('a')
    t.is((await apply(bench, moving('a', 'b', expect)))[0]?.kind, 'changed')
    t.is(await bench.user.stat('b'), null)
  })

  check('what a move would displace must be as expected', async (t, bench) => {
    await bench.user.write('a', 'a')
    await bench.user.write('b', 'b')
    const expect = await seen(bench, 'b')
    await bench.user.write('b', 'edited')
    t.is((await apply(bench, moving('a', 'b', await seen(bench, 'a'), { expect })))[0]?.kind, 'changed')
    await bench.user.mkdir('d')
    await bench.user.write('d/new', 'x')
    t.is((await apply(bench, moving('a', 'd', await seen(bench, 'a'), { expect: await seen(bench, 'd') })))[0]?.kind, 'changed')
    t.alike([await bench.user.read('a'), await bench.user.read('b'), await bench.user.read('d/new')], ['a', 'edited', 'x'])
  })

  check('a moved file makes way for staged content as any other', async (t, bench) => {
    await bench.user.write('a', 'one')
    const [moved] = await apply(bench, moving('a', 'b', await seen(bench, 'a')))
    const list = await stage(bench, 'two')
    if (moved?.kind !== 'done') return t.fail(JSON.stringify(moved))
    const [placed] = await apply(bench, { ...create('b', list), expect: moved.seen })
    t.ok(placed?.kind === 'done' && placed.kept !== null)
    t.is(await bench.user.read('b'), 'two')
  })
}
