/** The part of the disk's contract that moves must keep. */
import type { ApplyOp, Finding, SeenStat } from '../../daemon/ports.ts'
import { type Bench, type Check, HISTORY, MTIME, absorb, apply, create, directory, entryOf, inMicroseconds, key, paths, scan, seen, stage, summary, tombstone } from './disk-helpers.ts'

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

export function scanningMoves(check: Check): void {
  check('a renamed file is told with its known content, and read by a later scan', async (t, bench) => {
    await bench.user.write('a', 'one')
    await absorb(bench)
    await bench.user.rename('a', 'b')
    const found = await scan(bench)
    t.alike(summary(found), ['absent a', 'present b file one'])
    t.alike(movesIn(found), ['b from a, unread'])
    await take(bench, found)
    const again = await scan(bench)
    t.alike([summary(again), movesIn(again)], [['present b file one'], []])
    await take(bench, again)
    t.alike(await scan(bench), [])
  })

  check('hints find a rename too, in whatever order they come', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.write('a', 'one')
    await absorb(bench)
    await bench.user.rename('a', 'd/b')
    t.alike(movesIn(await scan(bench, { paths: paths('d/b', 'a') })), ['d/b from a, unread'])
    t.alike(movesIn(await scan(bench, { paths: paths('a', 'd/b') })), ['d/b from a, unread'])
    t.alike(summary(await scan(bench, { paths: paths('d/b') })), ['present d/b file one'], 'one alone is read')
  })

  check('what lies in a renamed directory is known without a doubt', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.mkdir('d/e')
    await bench.user.write('d/e/f', 'one')
    await bench.user.write('d/g', 'two')
    await absorb(bench)
    await bench.user.rename('d', 'x')
    const found = await scan(bench)
    t.alike(summary(found), ['absent d', 'absent d/e', 'absent d/e/f', 'absent d/g', 'present x directory 755', 'present x/e directory 755', 'present x/e/f file one', 'present x/g file two'])
    t.alike(movesIn(found), ['x/e/f from d/e/f', 'x/g from d/g'])
    await take(bench, found)
    t.alike(await scan(bench), [])
  })

  check('names that were swapped, and a file renamed over another, are known', async (t, bench) => {
    for (const path of ['a', 'b', 'c', 'd']) await bench.user.write(path, path)
    await absorb(bench)
    await bench.user.rename('a', 'swap')
    await bench.user.rename('b', 'a')
    await bench.user.rename('swap', 'b')
    await bench.user.rename('c', 'd')
    const found = await scan(bench)
    t.alike(summary(found), ['absent c', 'present a file b', 'present b file a', 'present d file c'])
    t.alike(movesIn(found), ['a from b, unread', 'b from a, unread', 'd from c, unread'])
  })

  check('a file that was edited on the way is read', async (t, bench) => {
    await bench.user.write('a', 'one')
    await absorb(bench)
    await bench.user.append('a', '!')
    await bench.user.rename('a', 'b')
    const found = await scan(bench)
    t.alike([summary(found), movesIn(found)], [['absent a', 'present b file one!'], []])
  })

  check('an edit before the rename whose size and mtime betray nothing is found by the next scan', async (t, bench) => {
    await bench.user.write('a', 'one')
    await bench.user.utimes('a', 1_700_000_000_000_000)
    await absorb(bench)
    await bench.user.write('a', 'two')
    await bench.user.utimes('a', 1_700_000_000_000_000)
    await bench.user.rename('a', 'b')
    await take(bench, await scan(bench))
    t.alike(summary(await scan(bench)), ['present b file two'])
  })

  check('a new file is not taken for one that is gone, whatever its inode, size and mtime', async (t, bench) => {
    for (let i = 0; i < 20; i++) {
      await bench.user.write(`old${i}`, `old${i}`)
      await bench.user.utimes(`old${i}`, 1_700_000_000_000_000)
    }
    await absorb(bench)
    for (let i = 0; i < 20; i++) await bench.user.unlink(`old${i}`)
    for (let i = 0; i < 20; i++) {
      await bench.user.write(`new${i}`, `new${i}`)
      await bench.user.utimes(`new${i}`, 1_700_000_000_000_000)
    }
    const found = await scan(bench)
    t.alike(movesIn(found), [])
    t.alike(summary(found).filter((text) => text.includes('?')), [])
  })

  check('a rehash reads what moved, and an ignored row is no evidence', async (t, bench) => {
    await bench.user.write('a', 'one')
    await bench.user.write('i', 'two')
    await absorb(bench)
    bench.known.change('i', (row) => ({ ...row, ignored: true }))
    await bench.user.rename('a', 'b')
    await bench.user.rename('i', 'j')
    t.alike(movesIn(await scan(bench, { rehash: true })), [])
    t.alike(movesIn(await scan(bench)), ['b from a, unread'])
  })
}

function movesIn(found: readonly Finding[]): string[] {
  return found.flatMap((finding) => (finding.kind === 'present' && finding.moved !== undefined ? [`${finding.path} from ${finding.moved.from}${finding.moved.unread ? ', unread' : ''}`] : [])).sort()
}

async function take(bench: Bench, found: readonly Finding[]): Promise<void> {
  for (const finding of found) if (finding.kind === 'absent') bench.known.put(finding.path, { entry: tombstone(), seen: null })
  for (const finding of found) if (finding.kind === 'present') bench.known.put(finding.path, { entry: entryOf(finding), seen: finding.seen })
}

export function movingDirectories(check: Check): void {
  check('R46: a directory moves by one rename, with all that is known to be in it', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.mkdir('d/e')
    await bench.user.mkdir('p')
    await bench.user.write('d/e/f', 'bytes')
    await absorb(bench)
    const [directoryBefore, fileBefore] = [await seen(bench, 'd'), await seen(bench, 'd/e/f')]
    const ino = directoryBefore.ino
    t.is(await bench.disk.moveDirectory({ from: key('d'), to: key('p/n'), ino: `${ino}1` }, bench.known), null, 'another directory')
    t.is(await bench.disk.moveDirectory({ from: key('d'), to: key('q/n'), ino }, bench.known), null, 'no directory for it')
    t.is(await bench.disk.moveDirectory({ from: key('d'), to: key('p'), ino }, bench.known), null, 'the name is taken')
    t.alike(await bench.disk.moveDirectory({ from: key('d'), to: key('p/n'), ino }, bench.known), { paths: 3, directories: [key('d'), key('d/e')] })
    t.alike([(await bench.user.stat('p/n'))?.ino, await bench.user.stat('p/n/e/f'), await bench.user.stat('d')], [ino, fileBefore, null])
    t.ok(await bench.disk.moveDirectory({ from: key('p/n'), to: key('d'), ino }, null), 'and back')
    t.alike(await bench.user.stat('d/e/f'), fileBefore)
    t.alike(await scan(bench), [], 'no news')
  })

  check('R46: a directory that holds anything else than what is known stays', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.mkdir('d/e')
    await bench.user.write('d/e/f', 'bytes')
    await absorb(bench)
    const { ino } = await seen(bench, 'd')
    const tryIt = async (): Promise<unknown> => await bench.disk.moveDirectory({ from: key('d'), to: key('n'), ino }, bench.known)
    await bench.user.write('d/e/new', 'new')
    t.is(await tryIt(), null, 'a new file')
    await bench.user.unlink('d/e/new')
    await bench.user.write('d/e/f', 'other')
    t.is(await tryIt(), null, 'a changed file')
    await absorb(bench)
    bench.known.put('d/gone', { entry: tombstone(), seen: null })
    await bench.user.mkdir('d/x')
    t.is(await tryIt(), null, 'a new directory')
    await bench.user.rmdir('d/x')
    bench.known.change('d/e', (row) => ({ ...row, seen: null }))
    t.is(await tryIt(), null, 'one that was not seen')
    await absorb(bench)
    bench.known.change('d/e/f', (row) => ({ ...row, blocked: { code: 'EACCES', message: 'no' } }))
    t.is(await tryIt(), null, 'one that is blocked')
    t.is(await bench.user.stat('n'), null)
  })
}
