/** The part of the disk's contract that an apply must keep. */
import type { ApplyOp, HistoryFile } from '../../daemon/ports.ts'
import { type Check, HISTORY, MTIME, absorb, apply, create, directory, fileEntry, inMicroseconds, key, scan, seen, stage } from './disk-helpers.ts'

export function applyingFiles(check: Check): void {
  check('a new file has content, mode and mtime, and is no news to a scan', async (t, bench) => {
    const list = await stage(bench, 'one ', 'two')
    const [result] = await apply(bench, { ...create('a', list), mode: 0o640 })
    const stat = await bench.user.stat('a')
    t.alike(result, { kind: 'done', seen: stat, kept: null })
    t.is(await bench.user.read('a'), 'one two')
    t.is((stat?.mode ?? 0) & 0o777, 0o640)
    t.is(inMicroseconds(stat), MTIME)
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

  check('a second name that is to be one no more gets a file of its own', async (t, bench) => {
    await bench.user.write('a', 'loser')
    const expect = await seen(bench, 'a')
    await apply(bench, { kind: 'link', path: key('a'), expect, to: key('copy') })
    const [separated] = await apply(bench, { kind: 'separate', path: key('copy'), from: key('a'), expect: await seen(bench, 'copy') })
    if (separated?.kind !== 'done') return t.fail(JSON.stringify(separated))
    const [copy, path] = [await seen(bench, 'copy'), await seen(bench, 'a')]
    t.alike(separated.seen, copy)
    t.is(path.ino, expect.ino, 'what a program holds open is the path')
    t.ok(copy.ino !== path.ino && copy.mode === path.mode && inMicroseconds(copy) === inMicroseconds(path))
    await bench.user.append('a', ', and more')
    t.alike([await bench.user.read('a'), await bench.user.read('copy')], ['loser, and more', 'loser'])
    const [again] = await apply(bench, { kind: 'separate', path: key('copy'), from: key('a'), expect: copy })
    t.is(again?.kind, 'changed', 'two files stay as they are')
    t.alike([(await bench.disk.history()).files, await bench.disk.strays(false)], [[], []])
  })

  check('a second name that was written to before it gets a file of its own is not told as seen', async (t, bench) => {
    await bench.user.write('a', 'loser')
    await apply(bench, { kind: 'link', path: key('a'), expect: await seen(bench, 'a'), to: key('copy') })
    const expect = await seen(bench, 'copy')
    await bench.user.append('a', ', and more')
    const [separated] = await apply(bench, { kind: 'separate', path: key('copy'), from: key('a'), expect })
    t.alike([separated?.kind, separated?.kind === 'done' && separated.seen], ['done', null])
    t.is(await bench.user.read('copy'), 'loser, and more')
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

export function applyingOthers(check: Check): void {
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
    t.is(inMicroseconds(await bench.user.stat('l')), MTIME)
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

  check('a name that an ignored directory has says so, also where the index knows of nothing', async (t, bench) => {
    await bench.user.mkdir('d')
    await bench.user.write('d/x', 'a')
    const link: ApplyOp = { kind: 'symlink', path: key('d'), expect: null, target: 'x', mtime: MTIME, displace: HISTORY }
    t.alike(await bench.disk.apply([link], (path, isDirectory) => isDirectory || path === 'd/x'), [{ kind: 'kept-by-ignored' }])
    t.is(await bench.user.read('d/x'), 'a')
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
    t.alike([inMicroseconds(await bench.user.stat('a')), inMicroseconds(await bench.user.stat('l')), await bench.user.read('a')], [MTIME, MTIME, 'one'])
  })

  check('null leaves an attribute as it is', async (t, bench) => {
    await bench.user.write('a', 'one')
    const before = await seen(bench, 'a')
    await apply(bench, { kind: 'attributes', path: key('a'), expect: before, mode: null, mtime: MTIME })
    t.is((await bench.user.stat('a'))?.mode, before.mode)
    const after = await seen(bench, 'a')
    await apply(bench, { kind: 'attributes', path: key('a'), expect: after, mode: 0o600, mtime: null })
    t.is(inMicroseconds(await bench.user.stat('a')), MTIME)
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

export function refusing(check: Check): void {
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

  check('history lists what was displaced, and lets one go for good', async (t, bench) => {
    t.alike((await bench.disk.history()).files, [])
    for (const name of ['a', 'b']) {
      await bench.user.write(name, name.repeat(3))
      await apply(bench, { kind: 'remove', path: key(name), expect: await seen(bench, name), displace: HISTORY })
    }
    const { files, fileSystemBytes } = await bench.disk.history()
    t.alike(files.map(({ size }) => size), [3, 3])
    t.ok(fileSystemBytes > 0)
    const [one, other] = files as [HistoryFile, HistoryFile]
    t.ok(await bench.disk.removeHistory(one.name))
    t.ok(await bench.disk.removeHistory(one.name), 'again')
    t.alike((await bench.disk.history()).files.map(({ name }) => name), [other.name])
    t.is(await bench.disk.read({ area: 'history', path: one.name }, 0, 3), null)
    t.is((await bench.disk.read({ area: 'history', path: other.name }, 0, 3))?.length, 3)
    t.absent(await bench.disk.removeHistory('../../a'), 'no name of ours')
    t.ok(await bench.disk.removeHistory(other.name))
    t.alike((await bench.disk.history()).files, [])
  })

  check('pieces that are asked for together; what was seen of a file is read only while it is that', async (t, bench) => {
    await bench.user.write('a', 'some bytes')
    const expect = await seen(bench, 'a')
    const read = async (offset: number, length: number, of = expect): Promise<string | null> => (await bench.disk.read({ area: 'tree', path: 'a' }, offset, length, of))?.toString() ?? null
    t.alike(await Promise.all([read(5, 5), read(0, 5), read(8, 5), read(2, 4), read(10, 0)]), ['bytes', 'some ', null, 'me b', ''])
    await bench.user.write('a', 'more bytes')
    t.alike(await Promise.all([read(0, 5), read(5, 5)]), [null, null])
    t.is((await bench.disk.read({ area: 'tree', path: 'a' }, 0, 5))?.toString(), 'more ')
    t.alike(await Promise.all([read(0, 5, await seen(bench, 'a')), read(0, 5)]), ['more ', null], 'each by what it says')
  })

  check('one refusal does not keep the rest from being done', async (t, bench) => {
    await bench.user.write('b', 'there')
    const [one, two] = [await stage(bench, 'one'), await stage(bench, 'two')]
    const results = await apply(bench, create('a', one), create('b', two), directory('c'))
    t.alike(results.map((result) => result.kind), ['done', 'changed', 'done'])
  })
}
