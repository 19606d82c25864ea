/** What every `Disk` must do, by the words of daemon/ports.ts. Runs on the fake and on the real one. */
import test, { type Assert } from 'brittle'
import type { ApplyOp, ApplyResult, Disk, Finding, KnownTree, Row, ScanRequest, SeenStat } from '../../daemon/ports.ts'
import { chunkId, contentList, type ContentList } from '../../daemon/sync/content.ts'
import type { Entry } from '../../daemon/sync/entry.ts'
import type { ContentId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import type { DiskBench } from './disk-bench.ts'

const HISTORY = { to: 'history' } as const
const MTIME = '1700000000123456000'
const never: ScanRequest['ignored'] = () => false

/** A first step in each test: everything on disk is known. */
interface Bench extends DiskBench {
  readonly known: MemoryTree
}

export function diskContract(name: string, makeBench: (t: Assert) => Promise<DiskBench>): void {
  const check = (what: string, run: (t: Assert, bench: Bench) => Promise<void>): void => {
    test(`${name} disk: ${what}`, async (t) => await run(t, Object.assign(await makeBench(t), { known: new MemoryTree() })))
  }
  inspecting(check)
  scanning(check)
  scanningSome(check)
  reading(check)
  staging(check)
  applyingFiles(check)
  applyingOthers(check)
  refusing(check)
}

type Check = (what: string, run: (t: Assert, bench: Bench) => Promise<void>) => void

function inspecting(check: Check): void {
  check('a folder with its marker is ready, and its epoch outlives the daemon', async (t, bench) => {
    t.is((await bench.disk.inspect()).kind, 'ready')
    await bench.disk.setEpoch(7)
    await bench.reopen()
    t.alike(await bench.disk.inspect(), { kind: 'ready', epoch: 7 })
  })

  check('a missing marker halts, and nothing is reported absent', async (t, bench) => {
    await bench.user.write('a', 'one')
    await absorb(bench)
    await bench.user.loseMarker()
    t.is(await haltCode(bench.disk), 'marker-missing')
    await t.exception(() => scan(bench), /./)
  })

  check('a missing root halts, and nothing is reported absent', async (t, bench) => {
    await bench.user.write('a', 'one')
    await absorb(bench)
    await bench.user.loseRoot()
    t.is(await haltCode(bench.disk), 'root-missing')
    await t.exception(() => scan(bench), /./)
  })

  check('the texts of the ignore file and of its conflict copies are read', async (t, bench) => {
    t.alike(await bench.disk.readIgnoreFiles(), [])
    await bench.user.write('.p2psyncignore', '*.tmp\n')
    await bench.user.write('.p2psyncignore.sync-conflict-abcdefghij', '*.log\n')
    await bench.user.write('other', 'x')
    t.alike([...(await bench.disk.readIgnoreFiles())].sort(), ['*.log\n', '*.tmp\n'])
  })
}

function scanning(check: Check): void {
  check('a first scan reports everything, and a second one nothing', async (t, bench) => {
    await someTree(bench)
    t.alike(summary(await scan(bench)), [
      'present d directory 755',
      'present d/e directory 755',
      'present d/e/f file one',
      'present empty file ',
      'present l symlink d/e/f'
    ])
    await absorb(bench)
    t.alike(await scan(bench), [])
  })

  check('a file comes with the list of its bytes, its mode, its size and its mtime in microseconds', async (t, bench) => {
    await bench.user.write('a', 'some bytes that make more than one small chunk')
    await bench.user.chmod('a', 0o640)
    await bench.user.utimes('a', 1_600_000_000_500_000)
    const [found] = await scan(bench)
    if (found?.kind !== 'present' || found.node.kind !== 'file') return t.fail('no file')
    t.alike([found.node.mode, found.node.size, found.node.mtime], [0o640, 46, '1600000000500000000'])
    t.is(found.node.content.cid, contentList(0, found.node.content.chunks).cid)
    t.alike(found.seen, await bench.user.stat('a'))
    t.is(await wholeContent(bench.disk, 'a', found.node.content), 'some bytes that make more than one small chunk')
  })

  check('edits, modes and times are reported, setuid is not', async (t, bench) => {
    for (const path of ['a', 'b', 'c', 'same']) await bench.user.write(path, path)
    await absorb(bench)
    await bench.user.append('a', '+')
    await bench.user.chmod('b', 0o4755)
    await bench.user.utimes('c', 1)
    t.alike(summary(await scan(bench)), ['present a file a+', 'present b file b', 'present c file c'])
    const found = (await scan(bench)).find((finding) => finding.path === 'b')
    t.is(found?.kind === 'present' && found.node.kind === 'file' ? found.node.mode : null, 0o755)
  })

  check('what is gone is absent, deepest first', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    await bench.user.unlink('d/e/f')
    await bench.user.rmdir('d/e')
    await bench.user.rmdir('d')
    t.alike(order(await scan(bench)), ['absent d/e/f', 'absent d/e', 'absent d'])
  })

  check('a rename is an absence and a presence, of a directory with everything below', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    await bench.user.rename('d', 'n')
    t.alike(summary(await scan(bench)), ['absent d', 'absent d/e', 'absent d/e/f', 'present n directory 755', 'present n/e directory 755', 'present n/e/f file one'])
  })

  check('a change of kind is a presence, with the absence of what was below', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    await bench.user.unlink('d/e/f')
    await bench.user.rmdir('d/e')
    await bench.user.write('d/e', 'now a file')
    await bench.user.unlink('l')
    await bench.user.mkdir('l')
    t.alike(summary(await scan(bench)), ['absent d/e/f', 'present d/e file now a file', 'present l directory 755'])
  })

  check('what is ignored is neither present nor absent', async (t, bench) => {
    await bench.user.write('gone.tmp', 'x')
    await bench.user.mkdir('t.tmp')
    await bench.user.write('t.tmp/in', 'x')
    await absorb(bench)
    await bench.user.unlink('gone.tmp')
    await bench.user.append('t.tmp/in', 'y')
    await bench.user.write('new.tmp', 'x')
    const ignored = (path: PathKey): boolean => path.includes('.tmp')
    t.alike(await scan(bench, { ignored }), [])
    t.alike(await scan(bench, { ignored, paths: paths('gone.tmp', 'new.tmp', 't.tmp/in') }), [])
  })

  check('a row that left the drive as ignored is reported when it is looked at again', async (t, bench) => {
    await bench.user.write('a', 'one')
    await absorb(bench)
    bench.known.change('a', (row) => ({ ...row, ignored: true }))
    t.alike(summary(await scan(bench)), ['present a file one'])
  })

  check('a directory published as a tombstone is reported again only with a child that is not ignored', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.write('d/x.tmp', 'x')
    await absorb(bench, (path) => path.endsWith('.tmp'))
    bench.known.change('d', (row) => ({ ...row, entry: tombstone(), shadow: true }))
    const ignored = (path: PathKey): boolean => path.endsWith('.tmp')
    t.alike(await scan(bench, { ignored }), [])
    await bench.user.write('d/y', 'y')
    t.alike(summary(await scan(bench, { ignored })), ['present d directory 755', 'present d/y file y'])
  })

  check('tombstones are not reported absent', async (t, bench) => {
    bench.known.put('a', { entry: tombstone(), seen: null })
    t.alike(await scan(bench), [])
    t.alike(await scan(bench, { paths: paths('a') }), [])
  })

  check('a special file is a problem until it is gone', async (t, bench) => {
    await bench.user.fifo('p')
    t.alike(order(await scan(bench)), ['problem p special-file'])
    await bench.user.unlink('p')
    t.alike(order(await scan(bench)), ['healed p'])
    t.alike(await scan(bench), [])
  })

  check('the reserved directory is not part of the tree', async (t, bench) => {
    t.alike(await scan(bench), [])
    t.alike(await scan(bench, { paths: paths('') }), [])
  })

  check('every directory is named before it is read, unchanged ones too', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    const met: string[] = []
    await scan(bench, { onDirectory: (directory) => void met.push(directory) })
    t.alike(met.sort(), ['', 'd', 'd/e'])
  })

  check('a rehash finds other bytes behind an unchanged stat', async (t, bench) => {
    await bench.user.write('a', 'one')
    await absorb(bench)
    bench.known.change('a', (row) => (row.entry.kind === 'file' ? { ...row, entry: { ...row.entry, cid: contentList(0, []).cid } } : row))
    t.alike(await scan(bench), [])
    t.alike(summary(await scan(bench, { rehash: true })), ['present a file one'])
  })

  check('an aborted scan ends without absences of what it did not read', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    const abort = new AbortController()
    abort.abort()
    const found: Finding[] = []
    try {
      for await (const batch of bench.disk.scan({ paths: 'all', ignored: never }, bench.known, abort.signal)) found.push(...batch)
    } catch {
      t.comment('it may reject')
    }
    t.absent(found.some((finding) => finding.kind === 'absent'))
  })
}

function scanningSome(check: Check): void {
  check('hinted paths alone are looked at', async (t, bench) => {
    for (const path of ['a', 'b', 'c']) await bench.user.write(path, path)
    await absorb(bench)
    for (const path of ['a', 'b']) await bench.user.append(path, '+')
    await bench.user.unlink('c')
    t.alike(summary(await scan(bench, { paths: paths('a') })), ['present a file a+'])
    t.alike(summary(await scan(bench, { paths: paths('c', 'never-there') })), ['absent c'])
  })

  check('a hinted directory is looked at with its direct children', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    await bench.user.write('d/new', 'n')
    await bench.user.append('d/e/f', '+')
    t.alike(summary(await scan(bench, { paths: paths('d') })), ['present d/new file n'])
  })

  check('a new directory comes with everything below', async (t, bench) => {
    await absorb(bench)
    await someTree(bench)
    t.alike(summary(await scan(bench, { paths: paths('d') })), ['present d directory 755', 'present d/e directory 755', 'present d/e/f file one'])
  })

  check('a hint below a new directory finds the directory too', async (t, bench) => {
    await someTree(bench)
    t.alike(summary(await scan(bench, { paths: paths('d/e/f') })), ['present d directory 755', 'present d/e directory 755', 'present d/e/f file one'])
  })

  check('a hint below a directory that is gone finds everything that went with it', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    await bench.user.unlink('d/e/f')
    await bench.user.rmdir('d/e')
    await bench.user.rmdir('d')
    t.alike(order(await scan(bench, { paths: paths('d/e/f') })), ['absent d/e/f', 'absent d/e', 'absent d'])
  })

  check('a hint below what is no directory any more finds the change of kind', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    await bench.user.unlink('d/e/f')
    await bench.user.rmdir('d/e')
    await bench.user.symlink('d/e', bench.outside)
    t.alike(summary(await scan(bench, { paths: paths('d/e/f') })), ['absent d/e/f', `present d/e symlink ${bench.outside}`])
  })

  check('the root can be hinted', async (t, bench) => {
    await bench.user.write('a', 'one')
    t.alike(summary(await scan(bench, { paths: paths('') })), ['present a file one'])
  })
}

function reading(check: Check): void {
  check('exactly the bytes asked for are read, or none', async (t, bench) => {
    await bench.user.write('a', '0123456789')
    const read = async (path: string, offset: number, length: number): Promise<string | null> => (await bench.disk.read({ area: 'tree', path }, offset, length))?.toString() ?? null
    t.is(await read('a', 0, 10), '0123456789')
    t.is(await read('a', 3, 4), '3456')
    t.is(await read('a', 8, 3), null)
    t.is(await read('b', 0, 1), null)
    t.is(await read('a/b', 0, 1), null)
  })

  check('no symbolic link is followed', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.write('d/a', 'secret')
    await bench.user.symlink('link', 'd')
    await bench.user.symlink('l', 'd/a')
    t.is(await bench.disk.read({ area: 'tree', path: 'l' }, 0, 6), null)
    t.is(await bench.disk.read({ area: 'tree', path: 'link/a' }, 0, 6), null)
  })

  check('a directory has no bytes', async (t, bench) => {
    await bench.user.mkdir('d')
    t.is(await bench.disk.read({ area: 'tree', path: 'd' }, 0, 1), null)
  })
}

function staging(check: Check): void {
  check('a content is put together in any order, and is staged once it is sealed', async (t, bench) => {
    const { list, pieces } = content('first', 'second', 'third')
    const staged = await bench.disk.stage(list)
    t.is(staged.cid, list.cid)
    t.alike(staged.missing().map((row) => row.offset), [0, 5, 11])
    await staged.write(11, pieces[2] as Buffer)
    await staged.write(0, pieces[0] as Buffer)
    t.alike(staged.missing().map((row) => [row.chunk.id, row.offset]), [[list.chunks[1]?.id, 5]])
    t.absent(bench.disk.isStaged(list.cid))
    await staged.write(5, pieces[1] as Buffer)
    await staged.seal()
    await staged.release()
    t.ok(bench.disk.isStaged(list.cid))
  })

  check('what was staged before is found again, after a restart too', async (t, bench) => {
    const { list, pieces } = content('first', 'second')
    const staged = await bench.disk.stage(list)
    await staged.write(5, pieces[1] as Buffer)
    await staged.release()
    t.alike((await bench.disk.stage(list)).missing().map((row) => row.offset), [0])
    await bench.reopen()
    const again = await bench.disk.stage(list)
    t.alike(again.missing().map((row) => row.offset), [0])
    await again.write(0, pieces[0] as Buffer)
    await again.seal()
    await again.release()
    t.is((await apply(bench, create('a', list)))[0]?.kind, 'done')
    t.is(await bench.user.read('a'), 'firstsecond')
  })

  check('staged contents that nobody wants are dropped', async (t, bench) => {
    const [one, two] = [await stage(bench, 'one'), await stage(bench, 'two')]
    await bench.disk.keepStaged(new Set([two.cid]))
    t.absent(bench.disk.isStaged(one.cid))
    t.ok(bench.disk.isStaged(two.cid))
    t.is((await apply(bench, create('a', one)))[0]?.kind, 'not-staged')
    t.is(await bench.user.stat('a'), null)
  })

  check('an empty content can be staged', async (t, bench) => {
    const list = await stage(bench)
    t.is((await apply(bench, create('a', list)))[0]?.kind, 'done')
    t.is(await bench.user.read('a'), '')
  })

  check('staging is not part of the tree', async (t, bench) => {
    await stage(bench, 'one')
    t.alike(await scan(bench), [])
  })
}

function applyingFiles(check: Check): void {
  check('a new file has content, mode and mtime, and is no news to a scan', async (t, bench) => {
    const list = await stage(bench, 'one ', 'two')
    const [result] = await apply(bench, { ...create('a', list), mode: 0o640 })
    const stat = await bench.user.stat('a')
    t.alike(result, { kind: 'done', seen: stat, kept: null })
    t.is(await bench.user.read('a'), 'one two')
    t.is((stat?.mode ?? 0) & 0o777, 0o640)
    t.is(stat?.mtimeNs, MTIME)
    bench.known.put('a', { entry: fileEntry(list, 0o640), seen: stat })
    t.alike(await scan(bench), [])
  })

  check('a replaced file is kept in history with its bytes', async (t, bench) => {
    await bench.user.write('a', 'old bytes')
    const list = await stage(bench, 'new')
    const [result] = await apply(bench, { ...create('a', list), expect: await bench.user.stat('a') })
    if (result?.kind !== 'done' || result.kept === null) return t.fail(JSON.stringify(result))
    t.is(await bench.user.read('a'), 'new')
    t.is((await bench.disk.read({ area: 'history', path: result.kept }, 0, 9))?.toString(), 'old bytes')
    await bench.reopen()
    t.is((await bench.disk.read({ area: 'history', path: result.kept }, 0, 9))?.toString(), 'old bytes')
  })

  check('a removed file is kept in history', async (t, bench) => {
    await bench.user.write('a', 'old')
    const [result] = await apply(bench, { kind: 'remove', path: key('a'), expect: await seen(bench, 'a'), displace: HISTORY })
    if (result?.kind !== 'done' || result.kept === null) return t.fail(JSON.stringify(result))
    t.is(result.seen, null)
    t.is(await bench.user.stat('a'), null)
    t.is((await bench.disk.read({ area: 'history', path: result.kept }, 0, 3))?.toString(), 'old')
  })

  check('history names are never given twice', async (t, bench) => {
    const kept = new Set<string>()
    for (const text of ['1', '2', '3']) {
      await bench.user.write('a', text)
      const [result] = await apply(bench, { kind: 'remove', path: key('a'), expect: await seen(bench, 'a'), displace: HISTORY })
      if (result?.kind === 'done' && result.kept !== null) kept.add(result.kept)
    }
    t.is(kept.size, 3)
  })

  check('a losing content gets a second name before its first is taken', async (t, bench) => {
    await bench.user.write('a', 'loser')
    const expect = await seen(bench, 'a')
    const list = await stage(bench, 'winner')
    const [linked] = await apply(bench, { kind: 'link', path: key('a'), expect, to: key('copy') })
    t.is(linked?.kind, 'done')
    t.is(await bench.user.read('copy'), 'loser')
    // The index still has the stat from before the link, which changed the ctime.
    const [placed] = await apply(bench, { ...create('a', list), expect, displace: { to: 'linked', at: key('copy') } })
    t.is(placed?.kind === 'done' ? placed.kept : 'not done', null)
    t.alike([await bench.user.read('a'), await bench.user.read('copy')], ['winner', 'loser'])
  })

  check('after a link, what stands at the copy is no news', async (t, bench) => {
    await bench.user.write('a', 'loser')
    await absorb(bench)
    const list = await stage(bench, 'winner')
    const expect = await seen(bench, 'a')
    const [linked] = await apply(bench, { kind: 'link', path: key('a'), expect, to: key('copy') })
    const row = await bench.known.row(key('a'))
    if (linked?.kind !== 'done' || linked.seen === null || row === null) return t.fail(JSON.stringify(linked))
    bench.known.put('copy', { ...row, seen: linked.seen })
    const [placed] = await apply(bench, { ...create('a', list), expect, displace: { to: 'linked', at: key('copy') } })
    if (placed?.kind !== 'done') return t.fail(JSON.stringify(placed))
    bench.known.put('a', { entry: fileEntry(list, 0o644), seen: placed.seen })
    for (const finding of await scan(bench)) t.is(`${finding.kind} ${finding.path}`, 'present copy', 'at most the copy is looked at again, with the same bytes')
  })

  check('what is displaced goes to history if the other name is another file by now', async (t, bench) => {
    await bench.user.write('a', 'loser')
    await bench.user.write('copy', 'loser')
    const list = await stage(bench, 'winner')
    const [placed] = await apply(bench, { ...create('a', list), expect: await seen(bench, 'a'), displace: { to: 'linked', at: key('copy') } })
    if (placed?.kind !== 'done' || placed.kept === null) return t.fail(JSON.stringify(placed))
    t.is((await bench.disk.read({ area: 'history', path: placed.kept }, 0, 5))?.toString(), 'loser')
  })

  check('two files of one content can be made one after the other', async (t, bench) => {
    const list = await stage(bench, 'same')
    t.is((await apply(bench, create('a', list)))[0]?.kind, 'done')
    const [second] = await apply(bench, create('b', list))
    if (second?.kind === 'not-staged') {
      await stage(bench, 'same')
      t.is((await apply(bench, create('b', list)))[0]?.kind, 'done')
    } else t.is(second?.kind, 'done')
    t.alike([await bench.user.read('a'), await bench.user.read('b')], ['same', 'same'])
    await bench.user.append('a', '!')
    t.is(await bench.user.read('b'), 'same')
  })
}

function applyingOthers(check: Check): void {
  check('directories and what is in them are made in one go', async (t, bench) => {
    const list = await stage(bench, 'one')
    const results = await apply(bench, directory('d', 0o750), directory('d/e'), create('d/e/f', list))
    t.alike(results.map((result) => result.kind), ['done', 'done', 'done'])
    t.is(((await bench.user.stat('d'))?.mode ?? 0) & 0o777, 0o750)
    t.is(await bench.user.read('d/e/f'), 'one')
    // Times and size of a directory change with its children.
    const [result, stat] = [results[1], await bench.user.stat('d/e')]
    t.alike(result?.kind === 'done' && [result.seen?.ino, result.seen?.mode, result.kept], [stat?.ino, stat?.mode, null])
  })

  check('a symbolic link has its text and mtime, whatever it names', async (t, bench) => {
    const [result] = await apply(bench, { kind: 'symlink', path: key('l'), expect: null, target: '../../etc/passwd', mtime: MTIME, displace: HISTORY })
    t.alike(result, { kind: 'done', seen: await bench.user.stat('l'), kept: null })
    t.is(await bench.user.target('l'), '../../etc/passwd')
    t.is((await bench.user.stat('l'))?.mtimeNs, MTIME)
  })

  check('a file makes way for a symbolic link and for a directory', async (t, bench) => {
    for (const path of ['a', 'b']) await bench.user.write(path, path)
    const results = await apply(
      bench,
      { kind: 'symlink', path: key('a'), expect: await seen(bench, 'a'), target: 'x', mtime: MTIME, displace: HISTORY },
      { ...directory('b'), expect: await seen(bench, 'b') }
    )
    for (const result of results) t.ok(result.kind === 'done' && result.kept !== null)
    t.is(await bench.user.target('a'), 'x')
    t.is(((await bench.user.stat('b'))?.mode ?? 0) >> 12, 0o04)
  })

  check('a symbolic link makes way for a file and is kept', async (t, bench) => {
    await bench.user.symlink('l', 'somewhere')
    const list = await stage(bench, 'file')
    const [result] = await apply(bench, { ...create('l', list), expect: await seen(bench, 'l') })
    t.ok(result?.kind === 'done' && result.kept !== null)
    t.is(await bench.user.read('l'), 'file')
  })

  check('an empty directory is removed, whatever its times say', async (t, bench) => {
    await bench.user.mkdir('d')
    const expect = await seen(bench, 'd')
    await bench.user.write('d/a', 'a')
    await bench.user.unlink('d/a')
    t.alike(await apply(bench, { kind: 'remove', path: key('d'), expect, displace: HISTORY }), [{ kind: 'done', seen: null, kept: null }])
    t.is(await bench.user.stat('d'), null)
  })

  check('a directory with something new in it is not removed', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.write('d/new', 'a')
    const [result] = await apply(bench, { kind: 'remove', path: key('d'), expect: await seen(bench, 'd'), displace: HISTORY })
    t.is(result?.kind, 'changed')
    t.is(await bench.user.read('d/new'), 'a')
  })

  check('a directory that ignored or special files keep says so', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.write('d/x.tmp', 'a')
    await bench.user.fifo('d/p')
    const remove: ApplyOp = { kind: 'remove', path: key('d'), expect: await seen(bench, 'd'), displace: HISTORY }
    t.alike(await bench.disk.apply([remove], (path) => path.endsWith('.tmp')), [{ kind: 'kept-by-ignored' }])
    t.is(await bench.user.read('d/x.tmp'), 'a')
  })

  check('mode and mtime are set, the bytes stay', async (t, bench) => {
    await bench.user.write('a', 'one')
    await bench.user.mkdir('d')
    await bench.user.symlink('l', 'x')
    const results = await apply(
      bench,
      { kind: 'attributes', path: key('a'), expect: await seen(bench, 'a'), mode: 0o600, mtime: MTIME },
      { kind: 'attributes', path: key('d'), expect: await seen(bench, 'd'), mode: 0o700, mtime: null },
      { kind: 'attributes', path: key('l'), expect: await seen(bench, 'l'), mode: null, mtime: MTIME }
    )
    t.alike(await Promise.all(['a', 'd', 'l'].map((path) => bench.user.stat(path))), results.map((result) => (result.kind === 'done' ? result.seen : null)))
    t.alike([results[0]?.kind === 'done' && ((results[0].seen?.mode ?? 0) & 0o777), results[1]?.kind === 'done' && ((results[1].seen?.mode ?? 0) & 0o777)], [0o600, 0o700])
    t.alike([(await bench.user.stat('a'))?.mtimeNs, (await bench.user.stat('l'))?.mtimeNs, await bench.user.read('a')], [MTIME, MTIME, 'one'])
  })

  check('null leaves an attribute as it is', async (t, bench) => {
    await bench.user.write('a', 'one')
    const before = await seen(bench, 'a')
    await apply(bench, { kind: 'attributes', path: key('a'), expect: before, mode: null, mtime: MTIME })
    t.is((await bench.user.stat('a'))?.mode, before.mode)
    const after = await seen(bench, 'a')
    await apply(bench, { kind: 'attributes', path: key('a'), expect: after, mode: 0o600, mtime: null })
    t.is((await bench.user.stat('a'))?.mtimeNs, MTIME)
  })

  check('after an orderly stop nothing is to be recovered', async (t, bench) => {
    await bench.user.write('a', 'old')
    const list = await stage(bench, 'new')
    await apply(bench, { ...create('a', list), expect: await seen(bench, 'a') })
    await bench.reopen()
    t.alike(await bench.disk.recover(), [])
    t.is(await bench.user.read('a'), 'new')
  })
}

function refusing(check: Check): void {
  check('nothing is done where something stands that nobody expected', async (t, bench) => {
    await bench.user.write('a', 'mine')
    await bench.user.mkdir('d')
    await bench.user.symlink('l', 'x')
    const list = await stage(bench, 'theirs')
    for (const path of ['a', 'd', 'l']) t.is((await apply(bench, create(path, list)))[0]?.kind, 'changed', path)
    t.is((await apply(bench, directory('a')))[0]?.kind, 'changed')
    t.is(await bench.user.read('a'), 'mine')
    t.is(await bench.user.target('l'), 'x')
    t.ok(bench.disk.isStaged(list.cid), 'and the content stays staged')
  })

  check('nothing is done to what changed since it was seen', async (t, bench) => {
    await bench.user.write('a', 'old')
    const expect = await seen(bench, 'a')
    await bench.user.write('a', 'new')
    const list = await stage(bench, 'theirs')
    const results = await apply(
      bench,
      { ...create('a', list), expect },
      { kind: 'remove', path: key('a'), expect, displace: HISTORY },
      { kind: 'attributes', path: key('a'), expect, mode: 0o600, mtime: null },
      { kind: 'link', path: key('a'), expect, to: key('b') }
    )
    for (const result of results) t.alike(result, { kind: 'changed', paths: [key('a')], stray: null })
    t.is(await bench.user.read('a'), 'new')
    t.is(await bench.user.stat('b'), null)
  })

  check('a change of size alone, or of mode alone, is seen', async (t, bench) => {
    await bench.user.write('a', 'old')
    const expect = await seen(bench, 'a')
    const list = await stage(bench, 'theirs')
    for (const other of [{ ...expect, size: expect.size + 1 }, { ...expect, mode: expect.mode ^ 0o100 }, { ...expect, ino: '1' }, { ...expect, mtimeNs: '1' }, { ...expect, ctimeNs: '1' }]) {
      t.is((await apply(bench, { ...create('a', list), expect: other }))[0]?.kind, 'changed')
    }
    t.is(await bench.user.read('a'), 'old')
  })

  check('nothing is done to what is gone', async (t, bench) => {
    await bench.user.write('a', 'old')
    const expect = await seen(bench, 'a')
    await bench.user.unlink('a')
    const list = await stage(bench, 'theirs')
    t.is((await apply(bench, { ...create('a', list), expect }))[0]?.kind, 'changed')
    t.is((await apply(bench, { kind: 'remove', path: key('a'), expect, displace: HISTORY }))[0]?.kind, 'changed')
    t.is(await bench.user.stat('a'), null)
  })

  check('nothing is done where the parent is missing or no directory', async (t, bench) => {
    await bench.user.write('a', 'file')
    const list = await stage(bench, 'x')
    for (const path of ['missing/f', 'a/f']) {
      const [result] = await apply(bench, create(path, list))
      t.ok(result?.kind === 'changed' || result?.kind === 'problem', path)
    }
    t.is(await bench.user.read('a'), 'file')
  })

  check('nothing is done through a symbolic link', async (t, bench) => {
    await bench.user.symlink('link', bench.outside)
    const list = await stage(bench, 'x')
    const results = await apply(bench, create('link/f', list), directory('link/d'))
    for (const result of results) t.ok(result.kind === 'changed' || result.kind === 'problem')
    t.is(await bench.user.stat('../outside/f'), null)
    t.is(await bench.user.stat('../outside/d'), null)
  })

  check('a link is not made over something', async (t, bench) => {
    await bench.user.write('a', 'a')
    await bench.user.write('b', 'b')
    t.is((await apply(bench, { kind: 'link', path: key('a'), expect: await seen(bench, 'a'), to: key('b') }))[0]?.kind, 'changed')
    t.is(await bench.user.read('b'), 'b')
  })

  check('one refusal does not keep the rest from being done', async (t, bench) => {
    await bench.user.write('b', 'there')
    const [one, two] = [await stage(bench, 'one'), await stage(bench, 'two')]
    const results = await apply(bench, create('a', one), create('b', two), directory('c'))
    t.alike(results.map((result) => result.kind), ['done', 'changed', 'done'])
  })
}

// ------------------------------------------------------------------------------------------------ the index's part

/** What an index would know: rows by path. */
class MemoryTree implements KnownTree {
  readonly #rows = new Map<string, Row>()

  async row(path: PathKey): Promise<Row | null> {
    return this.#rows.get(path) ?? null
  }

  async children(directory: PathKey): Promise<ReadonlyMap<string, Row>> {
    const start = directory === '' ? '' : `${directory}/`
    const below = [...this.#rows].filter(([path]) => path.startsWith(start) && !path.slice(start.length).includes('/'))
    return new Map(below.map(([path, row]) => [path.slice(start.length), row]))
  }

  put(path: string, row: Row): void {
    this.#rows.set(path, row)
  }

  change(path: string, change: (row: Row) => Row): void {
    const row = this.#rows.get(path)
    if (row === undefined) throw new Error(`not known: ${path}`)
    this.#rows.set(path, change(row))
  }
}

const WRITER = '0123456789abcdef' as WriterId
const VERSION = { vv: { [WRITER]: 1 }, dots: [[WRITER, 1]] } as const

function tombstone(): Entry {
  return { kind: 'tombstone', ...VERSION }
}

function fileEntry(list: ContentList, mode: number): Entry {
  return { kind: 'file', ...VERSION, mdot: [WRITER, 1], mode, size: list.size, mtime: MTIME, cid: list.cid }
}

function entryOf({ node }: Extract<Finding, { kind: 'present' }>): Entry {
  if (node.kind === 'directory') return { kind: 'directory', ...VERSION, mdot: [WRITER, 1], mode: node.mode }
  if (node.kind === 'symlink') return { kind: 'symlink', ...VERSION, mtime: node.mtime, target: node.target }
  return { kind: 'file', ...VERSION, mdot: [WRITER, 1], mode: node.mode, size: node.size, mtime: node.mtime, cid: node.content.cid }
}

// ------------------------------------------------------------------------------------------------ helpers

function key(path: string): PathKey {
  return path as PathKey
}

function paths(...given: string[]): PathKey[] {
  return given.map(key)
}

async function scan(bench: Bench, request: Partial<ScanRequest> = {}): Promise<Finding[]> {
  const found: Finding[] = []
  for await (const batch of bench.disk.scan({ paths: 'all', ignored: never, ...request }, bench.known, new AbortController().signal)) found.push(...batch)
  return withContents(bench, found)
}

/** For `summary`: the bytes behind each file. */
const texts = new WeakMap<Finding, string>()

async function withContents(bench: Bench, found: Finding[]): Promise<Finding[]> {
  for (const finding of found) {
    if (finding.kind === 'present' && finding.node.kind === 'file') texts.set(finding, await wholeContent(bench.disk, finding.path, finding.node.content))
  }
  return found
}

/** Reads the chunks of a list; a wrong byte shows as a question mark. */
async function wholeContent(disk: Disk, path: string, list: ContentList): Promise<string> {
  let [text, offset] = ['', 0]
  for (const chunk of list.chunks) {
    const data = await disk.read({ area: 'tree', path }, offset, chunk.length)
    text += data !== null && chunkId(data) === chunk.id ? data.toString('latin1') : '?'
    offset += chunk.length
  }
  return text
}

/** The index takes over what a scan finds. */
async function absorb(bench: Bench, ignored: ScanRequest['ignored'] = never): Promise<void> {
  for (const finding of await scan(bench, { ignored })) {
    if (finding.kind === 'present') bench.known.put(finding.path, { entry: entryOf(finding), seen: finding.seen })
  }
}

async function someTree(bench: Bench): Promise<void> {
  await bench.user.mkdir('d')
  await bench.user.mkdir('d/e')
  await bench.user.write('d/e/f', 'one')
  await bench.user.write('empty', '')
  await bench.user.symlink('l', 'd/e/f')
}

function line(finding: Finding): string {
  if (finding.kind === 'problem') return `problem ${finding.path} ${finding.problem.code}`
  if (finding.kind !== 'present') return `${finding.kind} ${finding.path}`
  const { node } = finding
  const what = node.kind === 'file' ? (texts.get(finding) ?? '') : node.kind === 'symlink' ? node.target : node.mode.toString(8)
  return `present ${finding.path} ${node.kind} ${what}`
}

/** In no order. */
function summary(found: readonly Finding[]): string[] {
  return found.map(line).sort()
}

function order(found: readonly Finding[]): string[] {
  return found.map(line)
}

async function haltCode(disk: Disk): Promise<string> {
  const state = await disk.inspect()
  return state.kind === 'halted' ? state.code : state.kind
}

function content(...texts: string[]): { list: ContentList; pieces: Buffer[] } {
  const pieces = texts.map((text) => Buffer.from(text))
  return { list: contentList(0, pieces.map((piece) => ({ id: chunkId(piece), length: piece.length }))), pieces }
}

/** A sealed content of these chunks. */
async function stage(bench: Bench, ...texts: string[]): Promise<ContentList> {
  const { list, pieces } = content(...texts)
  const staged = await bench.disk.stage(list)
  for (const { chunk, offset } of staged.missing()) await staged.write(offset, pieces.find((piece) => chunkId(piece) === chunk.id) as Buffer)
  await staged.seal()
  await staged.release()
  return list
}

async function apply(bench: Bench, ...ops: ApplyOp[]): Promise<readonly ApplyResult[]> {
  return await bench.disk.apply(ops, never)
}

function create(path: string, list: { readonly cid: ContentId; readonly size: number }): Extract<ApplyOp, { kind: 'file' }> {
  return { kind: 'file', path: key(path), expect: null, cid: list.cid, size: list.size, mode: 0o644, mtime: MTIME, displace: HISTORY }
}

function directory(path: string, mode = 0o755): Extract<ApplyOp, { kind: 'directory' }> {
  return { kind: 'directory', path: key(path), expect: null, mode, displace: HISTORY }
}

async function seen(bench: Bench, path: string): Promise<SeenStat> {
  const stat = await bench.user.stat(path)
  if (stat === null) throw new Error(`not there: ${path}`)
  return stat
}
