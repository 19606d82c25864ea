/** What every `Disk` must do, by the words of daemon/ports.ts. Runs on the fake and on the real one. */
import test, { type Assert } from 'brittle'
import { type Check, MemoryTree, absorb, apply, content, create, haltCode, inMicroseconds, key, scan, seen, someTree, stage, wholeContent } from './disk-helpers.ts'
import { applyingFiles, applyingOthers, refusing } from './disk-applying.ts'
import type { DiskBench } from './disk-bench.ts'
import { settingAside } from './disk-aside.ts'
import { movingDirectories, movingFiles, refusingMoves, scanningMoves } from './disk-moving.ts'
import { scanning, scanningSome } from './disk-scanning.ts'

export function diskContract(name: string, makeBench: (t: Assert) => Promise<DiskBench>): void {
  const check: Check = (what, run) => {
    test(`${name} disk: ${what}`, async (t) => await run(t, Object.assign(await makeBench(t), { known: new MemoryTree() })))
  }
  inspecting(check)
  scanning(check)
  scanningSome(check)
  reading(check)
  staging(check)
  looking(check)
  applyingFiles(check)
  applyingOthers(check)
  refusing(check)
  movingFiles(check)
  movingDirectories(check)
  settingAside(check)
  refusingMoves(check)
  scanningMoves(check)
}

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
    const read = [...(await bench.disk.readIgnoreFiles())].sort((x, y) => x.text.localeCompare(y.text))
    t.alike(read, [{ path: key('.p2psyncignore.sync-conflict-abcdefghij'), text: '*.log\n' }, { path: key('.p2psyncignore'), text: '*.tmp\n' }])
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

function looking(check: Check): void {
  check('what stands at a place is told with its content, and no symbolic link is followed', async (t, bench) => {
    const look = async (path: string): Promise<string> => {
      const found = await bench.disk.look({ area: 'tree', path })
      if (found.kind === 'file') t.alike(found.seen, await bench.user.stat(path))
      return found.kind === 'file' ? `file ${await wholeContent(bench.disk, path, found.content)}` : found.kind === 'symlink' ? `symlink ${found.target}` : found.kind
    }
    await someTree(bench)
    await bench.user.symlink('way', 'd')
    t.alike(await Promise.all(['d', 'd/e/f', 'empty', 'l', 'none', 'none/x', 'd/e/f/x', 'way/e'].map(look)), ['directory', 'file one', 'file ', 'symlink d/e/f', 'nothing', 'nothing', 'nothing', 'nothing'])
    await bench.user.fifo('p')
    t.is(await look('p'), 'problem')
  })

  check('what was displaced can be looked at by its name in history', async (t, bench) => {
    await bench.user.write('a', 'one')
    const [result] = await apply(bench, { kind: 'remove', path: key('a'), expect: await seen(bench, 'a'), displace: { to: 'history' } })
    const name = result?.kind === 'done' ? result.kept : null
    const found = await bench.disk.look({ area: 'history', path: name ?? '' })
    t.is(found.kind === 'file' ? found.content.size : found.kind, 3)
    t.is((await bench.disk.look({ area: 'history', path: '../a' })).kind, 'nothing')
  })

  check('of what was displaced it is known where it stood, when it left and why, until it is gone', async (t, bench) => {
    await bench.user.mkdir('d')
    for (const path of ['d/removed', 'd/replaced']) await bench.user.write(path, path)
    await bench.user.symlink('link', 'd')
    const { cid } = await stage(bench, 'new')
    const results = await apply(
      bench,
      { kind: 'remove', path: key('d/removed'), expect: await seen(bench, 'd/removed'), displace: { to: 'history' } },
      { kind: 'file', path: key('d/replaced'), expect: await seen(bench, 'd/replaced'), cid, size: 3, mode: 0o644, mtime: '1700000000000000000', displace: { to: 'history' } },
      { kind: 'remove', path: key('link'), expect: await seen(bench, 'link'), displace: { to: 'history' } }
    )
    const names = results.map((result) => (result.kind === 'done' ? (result.kept ?? '') : ''))
    const notes = await bench.disk.historyNotes([...names, '2026-01-01T00/0123456789abcdef0123-a'])
    t.alike(notes.map((note) => (note === null ? null : `${note.reason} ${note.path} ${note.seen.size}`)), ['deleted d/removed 9', 'replaced d/replaced 10', 'deleted link 1', null])
    t.ok(notes.every((note) => note === null || note.at <= Date.now()))
    t.alike([...(await bench.disk.recentHistory(Number.MAX_SAFE_INTEGER))].sort(), [...names].sort())
    await bench.disk.removeHistory(names[0] ?? '')
    t.is((await bench.disk.historyNotes([names[0] ?? '']))[0], null)
  })

  check('R35: what was displaced and is as it was stays in history, and the newest of it is told', async (t, bench) => {
    await bench.user.write('a', 'one')
    const [finding] = await scan(bench)
    if (finding?.kind !== 'present' || finding.node.kind !== 'file') return t.fail()
    const entry = { kind: 'file' as const, vv: {}, dots: [], mdot: ['', 0] as never, mode: finding.node.mode, size: finding.node.size, mtime: finding.node.mtime, cid: finding.node.content.cid }
    const [result] = await apply(bench, { kind: 'remove', path: key('a'), expect: finding.seen, displace: { to: 'history' } })
    const name = result?.kind === 'done' ? (result.kept ?? '') : ''
    t.alike(await bench.disk.recentHistory(1000), [name])
    t.alike(await bench.disk.recheck(name, key('a'), entry), { kind: 'same' })
    t.alike(await bench.disk.recheck('2026-01-01T00/0123456789abcdef0123-a', key('a'), entry), { kind: 'gone' })
  })

  check('at rest nothing is left over in our own directory', async (t, bench) => {
    await stage(bench, 'one')
    t.alike(await bench.disk.strays(false), [])
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

  check('what is likely when it is sealed binds nobody: it gets what it is given in the end', async (t, bench) => {
    const { list, pieces } = content('text')
    const staged = await bench.disk.stage(list)
    await staged.write(0, pieces[0] as Buffer)
    await staged.seal({ mode: 0o600, mtime: '1500000000000000000' })
    await staged.release()
    const op = create('a', list)
    t.is((await apply(bench, op))[0]?.kind, 'done')
    const stat = await bench.user.stat('a')
    t.alike([(stat?.mode ?? 0) & 0o777, inMicroseconds(stat)], [op.mode, op.mtime])
  })

  check('many contents at once are staged as each by itself, and what is likely binds nobody', async (t, bench) => {
    const texts = ['', ...Array.from({ length: 40 }, (_, i) => `text ${i}`)]
    const files = texts.map((text) => ({ list: content(...(text === '' ? [] : [text])).list, data: Buffer.from(text), likely: { mode: 0o600, mtime: '1500000000000000000' } }))
    t.ok((await bench.disk.stageAll(files)).every((error) => error === null))
    t.ok(files.every(({ list }) => bench.disk.isStaged(list.cid)))
    const ops = files.map(({ list }, i) => create(`f${i}`, list))
    t.ok((await apply(bench, ...ops)).every(({ kind }) => kind === 'done'))
    for (const [i, text] of texts.entries()) {
      t.is(await bench.user.read(`f${i}`), text)
      const stat = await bench.user.stat(`f${i}`)
      t.alike([(stat?.mode ?? 0) & 0o777, inMicroseconds(stat)], [ops[i]?.mode, ops[i]?.mtime])
    }
    t.alike(await bench.disk.stageAll([]), [])
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
