/** Applying on a real disk, and what a user does between two of its system calls. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { Capabilities } from '../../daemon/disk/atomic.ts'
import type { ApplyOp, ApplyResult } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { isConflictPath } from '../../daemon/sync/conflict.ts'
import { apply, applyOne, directoryOp, fileOp, historyTexts, inMicroseconds, leftInStaging, moveOp, MTIME, openFolder, read, removeOp, scan, stage, statOf, symlinkOp, told, tree, type Folder } from './tree.ts'

const FULL: Capabilities = { noReplace: true, links: true, exchange: true }
const FILE_SYSTEMS: readonly { readonly name: string; readonly capabilities: Capabilities }[] = [
  { name: 'all that Linux has', capabilities: FULL },
  { name: 'FAT', capabilities: { noReplace: true, links: false, exchange: false } },
  { name: 'links and exchange', capabilities: { noReplace: false, links: true, exchange: true } },
  { name: 'no links', capabilities: { noReplace: false, links: false, exchange: true } },
  { name: 'no exchange', capabilities: { noReplace: false, links: true, exchange: false } },
  { name: 'neither', capabilities: { noReplace: false, links: false, exchange: false } }
]

/** A folder whose user acts once, right before or right after the next change of the tree. */
async function withUser(t: Assert, capabilities: Capabilities = FULL): Promise<Folder & { before(act: () => void): void; after(act: () => void): void }> {
  const acts: { before: (() => void) | null; after: (() => void) | null } = { before: null, after: null }
  const once = (when: 'before' | 'after') => () => {
    const act = acts[when]
    acts[when] = null
    act?.()
  }
  const folder = await openFolder(t, { capabilities, hooks: { beforeMove: once('before'), afterMove: once('after') } })
  return { ...folder, before: (act) => void (acts.before = act), after: (act) => void (acts.after = act) }
}

/** A test after which nothing may be left between staging and the tree. */
function clean(name: string, capabilities: Capabilities, run: (t: Assert, folder: Awaited<ReturnType<typeof withUser>>) => Promise<void>): void {
  test(name, async (t) => {
    const folder = await withUser(t, capabilities)
    await run(t, folder)
    t.alike(leftInStaging(folder.root), [], 'nothing is left in staging')
  })
}

function changed(...paths: string[]): ApplyResult {
  return { kind: 'changed', paths: paths as PathKey[], stray: null }
}

function put(folder: Folder, path: string, data: string): void {
  fs.mkdirSync(join(folder.root, path, '..'), { recursive: true })
  fs.writeFileSync(join(folder.root, path), data)
}

/** An atomic save, as editors do it. */
function save(folder: Folder, path: string, data: string): void {
  fs.writeFileSync(join(folder.root, `${path}.saving`), data)
  fs.renameSync(join(folder.root, `${path}.saving`), join(folder.root, path))
}

function strayOf(result: ApplyResult): string {
  return result.kind === 'changed' && result.stray !== null ? result.stray : 'no stray'
}

for (const { name, capabilities } of FILE_SYSTEMS) {
  clean(`${name}: every kind of change, and a scan finds it as it was left`, capabilities, async (t, folder) => {
    const { root, disk } = folder
    await stage(disk, 'one')
    const made = await apply(disk, directoryOp('d', { mode: 0o750 }), fileOp('d/f', 'one', { mode: 0o640 }), symlinkOp('d/l', '../elsewhere'))
    t.alike(made.map((result) => result.kind), ['done', 'done', 'done'])
    t.is(read(root, 'd/f'), 'one')
    t.is(statOf(root, 'd/f').mode & 0o7777, 0o640)
    t.is(statOf(root, 'd').mode & 0o7777, 0o750)
    t.is(inMicroseconds(statOf(root, 'd/f')), MTIME)
    t.is(inMicroseconds(statOf(root, 'd/l')), MTIME)
    await scan(folder)

    await stage(disk, 'two')
    const replaced = await apply(disk, fileOp('d/f', 'two', { expect: folder.rows.seen('d/f') }), symlinkOp('d/l', 'other', { expect: folder.rows.seen('d/l') }))
    t.alike(replaced.map((result) => result.kind), ['done', 'done'])
    t.is(read(root, 'd/f'), 'two')
    t.is(fs.readlinkSync(join(root, 'd/l')), 'other')
    t.alike(historyTexts(root), ['one'])
    await scan(folder)

    const turned = await apply(disk, directoryOp('d/f', { expect: folder.rows.seen('d/f') }), removeOp('d/l', folder.rows.seen('d/l')))
    t.alike(turned.map((result) => result.kind), ['done', 'done'])
    await scan(folder)
    await stage(disk, 'three')
    t.is((await applyOne(disk, fileOp('d/f', 'three', { expect: folder.rows.seen('d/f') }))).kind, 'done')
    t.is(read(root, 'd/f'), 'three')
    await scan(folder)
    const emptied = await apply(disk, removeOp('d/f', folder.rows.seen('d/f')), removeOp('d', folder.rows.seen('d')))
    t.alike(emptied.map((result) => result.kind), ['done', 'done'])
    t.alike(tree(root), [])
    t.alike(historyTexts(root), ['one', 'three', 'two'])
  })

  clean(`${name}: history does not change with another name that the user gave the file`, capabilities, async (t, folder) => {
    const { root, disk } = folder
    for (const path of ['replaced', 'removed']) {
      put(folder, path, `old ${path}`)
      fs.linkSync(join(root, path), join(root, `${path}, too`))
    }
    await scan(folder)
    await stage(disk, 'new')
    const results = await apply(disk, fileOp('replaced', 'new', { expect: folder.rows.seen('replaced') }), removeOp('removed', folder.rows.seen('removed')))
    t.alike(results.map((result) => result.kind), ['done', 'done'])
    for (const path of ['replaced', 'removed']) fs.writeFileSync(join(root, `${path}, too`), 'written in place')
    t.alike(historyTexts(root), ['old removed', 'old replaced'])
    t.is(read(root, 'replaced, too'), 'written in place')
  })

  clean(`${name}: what an apply returns as seen is no news to a scan`, capabilities, async (t, folder) => {
    await stage(folder.disk, 'one')
    const ops = [directoryOp('d'), fileOp('d/f', 'one'), symlinkOp('l', 'd')]
    const results = await apply(folder.disk, ...ops)
    await scan(folder)
    for (const [i, op] of ops.entries()) {
      const result = results[i]
      if (result?.kind !== 'done' || result.seen === null) t.fail(`${op.path} was not done`)
      else if (op.kind === 'directory') t.is(folder.rows.seen(op.path).ino, result.seen.ino)
      else t.alike(folder.rows.seen(op.path), result.seen)
    }
  })

  clean(`${name}: a save in the instant before a file is replaced survives under a conflict name`, capabilities, async (t, folder) => {
    put(folder, 'f.txt', 'old')
    await scan(folder)
    await stage(folder.disk, 'remote')
    folder.before(() => save(folder, 'f.txt', 'precious'))
    const result = await applyOne(folder.disk, fileOp('f.txt', 'remote', { expect: folder.rows.seen('f.txt') }))
    t.is(result.kind, 'changed')
    t.ok(isConflictPath(strayOf(result) as PathKey), strayOf(result))
    t.is(read(folder.root, strayOf(result)), 'precious')
    t.is(read(folder.root, 'f.txt'), 'remote')
  })

  clean(`${name}: an edit in place in the instant before a file is replaced survives`, capabilities, async (t, folder) => {
    put(folder, 'f.txt', 'old')
    await scan(folder)
    await stage(folder.disk, 'remote')
    folder.before(() => fs.appendFileSync(join(folder.root, 'f.txt'), ' and new'))
    const result = await applyOne(folder.disk, fileOp('f.txt', 'remote', { expect: folder.rows.seen('f.txt') }))
    t.is(read(folder.root, strayOf(result)), 'old and new')
  })

  clean(`${name}: a file made in the instant before a new one gets the name stays`, capabilities, async (t, folder) => {
    await stage(folder.disk, 'remote')
    folder.before(() => put(folder, 'f', 'mine'))
    t.alike(await applyOne(folder.disk, fileOp('f', 'remote')), changed('f'))
    t.is(read(folder.root, 'f'), 'mine')
  })

  clean(`R33: ${name}: a save in the instant before a file is removed stays`, capabilities, async (t, folder) => {
    put(folder, 'f', 'old')
    await scan(folder)
    folder.before(() => save(folder, 'f', 'precious'))
    t.alike(await applyOne(folder.disk, removeOp('f', folder.rows.seen('f'))), changed('f'))
    t.is(read(folder.root, 'f'), 'precious')
    t.alike(tree(folder.root), ['f'])
  })

  clean(`${name}: removed, saved anew, and what came out was another save: both stay`, capabilities, async (t, folder) => {
    put(folder, 'f', 'old')
    await scan(folder)
    folder.before(() => save(folder, 'f', 'first'))
    folder.after(() => put(folder, 'f', 'second'))
    const result = await applyOne(folder.disk, removeOp('f', folder.rows.seen('f')))
    t.is(read(folder.root, 'f'), 'second')
    t.is(read(folder.root, strayOf(result)), 'first')
  })

  clean(`${name}: a directory put in a file's place in the last instant keeps what is in it`, capabilities, async (t, folder) => {
    put(folder, 'f', 'old')
    await scan(folder)
    await stage(folder.disk, 'remote')
    folder.before(() => {
      fs.rmSync(join(folder.root, 'f'))
      put(folder, 'f/inside', 'precious')
    })
    const result = await applyOne(folder.disk, fileOp('f', 'remote', { expect: folder.rows.seen('f') }))
    t.is(read(folder.root, `${strayOf(result)}/inside`), 'precious')
    t.is(read(folder.root, 'f'), 'remote')
  })

  clean(`${name}: a directory put in a removed file's place in the last instant stays`, capabilities, async (t, folder) => {
    put(folder, 'f', 'old')
    await scan(folder)
    folder.before(() => {
      fs.rmSync(join(folder.root, 'f'))
      put(folder, 'f/inside', 'precious')
    })
    await applyOne(folder.disk, removeOp('f', folder.rows.seen('f')))
    t.is(read(folder.root, 'f/inside'), 'precious')
  })

  clean(`${name}: something put into a directory in the instant before a file takes its place stays there`, capabilities, async (t, folder) => {
    fs.mkdirSync(join(folder.root, 'd'))
    await scan(folder)
    await stage(folder.disk, 'remote')
    folder.before(() => put(folder, 'd/inside', 'precious'))
    const result = await applyOne(folder.disk, fileOp('d', 'remote', { expect: folder.rows.seen('d') }))
    t.alike(result, changed('d', 'd/inside'))
    t.is(read(folder.root, 'd/inside'), 'precious')
    t.alike(tree(folder.root), ['d', 'd/inside'])
  })

  clean(`${name}: a file that vanishes in the last instant is not made again`, capabilities, async (t, folder) => {
    put(folder, 'f', 'old')
    await scan(folder)
    await stage(folder.disk, 'remote')
    folder.before(() => fs.rmSync(join(folder.root, 'f')))
    t.alike(await applyOne(folder.disk, fileOp('f', 'remote', { expect: folder.rows.seen('f') })), changed('f'))
    t.alike(tree(folder.root), [])
    t.ok(folder.disk.isStaged((fileOp('f', 'remote') as Extract<ApplyOp, { kind: 'file' }>).cid), 'the content is still staged')
  })

  clean(`${name}: a losing file keeps a second name, and its first is taken by the winner`, capabilities, async (t, folder) => {
    put(folder, 'f', 'mine')
    await scan(folder)
    await stage(folder.disk, 'theirs')
    const expect = folder.rows.seen('f')
    const results = await apply(folder.disk, { kind: 'link', path: 'f' as PathKey, expect, to: 'f.copy' as PathKey }, fileOp('f', 'theirs', { expect, displace: { to: 'linked', at: 'f.copy' as PathKey } }))
    t.alike(results.map((result) => result.kind), ['done', 'done'])
    t.is(read(folder.root, 'f'), 'theirs')
    t.is(read(folder.root, 'f.copy'), 'mine')
    t.is(fs.statSync(join(folder.root, 'f.copy')).nlink, 1)
    t.is(statOf(folder.root, 'f.copy').mtimeNs.slice(0, -3), expect.mtimeNs.slice(0, -3))
  })
}

clean('an edit right after a file got its name is seen by the next scan', FULL, async (t, folder) => {
  await stage(folder.disk, 'remote')
  folder.after(() => fs.writeFileSync(join(folder.root, 'f'), 'edited'))
  const result = await applyOne(folder.disk, fileOp('f', 'remote'))
  if (result.kind !== 'done' || result.seen === null) return t.fail('not done')
  await scan(folder)
  t.unlike(folder.rows.seen('f'), result.seen)
})

clean('a chmod right after a file got its name is seen by the next scan', FULL, async (t, folder) => {
  await stage(folder.disk, 'remote')
  folder.after(() => fs.chmodSync(join(folder.root, 'f'), 0o600))
  const result = await applyOne(folder.disk, fileOp('f', 'remote'))
  t.is(result.kind === 'done' && result.seen !== null && (result.seen.mode & 0o777), 0o644)
})

test('R34: a parent that becomes a symlink to outside leads nowhere', async (t) => {
  const folder = await openFolder(t)
  const outside = await t.tmp()
  put(folder, 'd/f', 'old')
  fs.writeFileSync(join(outside, 'f'), 'old')
  await scan(folder)
  const expect = folder.rows.seen('d/f')
  fs.renameSync(join(folder.root, 'd'), join(folder.root, 'moved'))
  fs.symlinkSync(outside, join(folder.root, 'd'))
  await stage(folder.disk, 'remote')
  const link: ApplyOp = { kind: 'link', path: 'moved/f' as PathKey, expect: statOf(folder.root, 'moved/f'), to: 'd/h' as PathKey }
  const ops = [fileOp('d/f', 'remote', { expect }), fileOp('d/g', 'remote'), symlinkOp('d/s', 'x'), directoryOp('d/d'), removeOp('d/f', statOf(outside, 'f')), link]
  for (const op of ops) t.alike(await applyOne(folder.disk, op), changed('d'), op.kind)
  t.alike(fs.readdirSync(outside), ['f'])
  t.is(read(outside, 'f'), 'old')
  t.is(await folder.disk.read({ area: 'tree', path: 'd/f' }, 0, 3), null)
})

clean('a parent that becomes a symlink in the last instant leads nowhere either', FULL, async (t, folder) => {
  const outside = await t.tmp()
  fs.mkdirSync(join(folder.root, 'd'))
  await stage(folder.disk, 'remote')
  folder.before(() => {
    fs.renameSync(join(folder.root, 'd'), join(folder.root, 'moved'))
    fs.symlinkSync(outside, join(folder.root, 'd'))
  })
  await applyOne(folder.disk, fileOp('d/f', 'remote'))
  t.alike(fs.readdirSync(outside), [])
})

test('.p2psync made a symlink to outside halts, and nothing is written there', async (t) => {
  const folder = await openFolder(t)
  const outside = await t.tmp()
  fs.renameSync(join(folder.root, '.p2psync'), join(outside, 'own'))
  fs.symlinkSync(join(outside, 'own'), join(folder.root, '.p2psync'))
  t.is((await folder.disk.inspect()).kind, 'halted')
  await t.exception(stage(folder.disk, 'x'), /marker/)
  t.alike(fs.readdirSync(join(outside, 'own')), ['marker.json'])
})

test('R13: a missing or changed parent is named', async (t) => {
  const folder = await openFolder(t)
  put(folder, 'file', 'x')
  await stage(folder.disk, 'one')
  t.alike(await applyOne(folder.disk, fileOp('a/b/c', 'one')), changed('a'))
  t.alike(await applyOne(folder.disk, fileOp('file/c', 'one')), changed('file'))
})

clean('a content that many paths of a batch want is given to each', FULL, async (t, folder) => {
  await stage(folder.disk, 'same')
  await stage(folder.disk, '')
  const names = Array.from({ length: 20 }, (_, i) => `f${i}`)
  const results = await apply(folder.disk, ...names.map((name) => fileOp(name, 'same')), fileOp('e1', ''), fileOp('e2', ''))
  t.ok(results.every((result) => result.kind === 'done'))
  t.ok(names.every((name) => read(folder.root, name) === 'same' && fs.statSync(join(folder.root, name)).nlink === 1))
})

clean('operations on one path and its parents are done in their order', FULL, async (t, folder) => {
  await stage(folder.disk, 'one')
  await stage(folder.disk, 'two')
  put(folder, 'old/deep/f', 'x')
  await scan(folder)
  const gone = ['old/deep/f', 'old/deep', 'old'].map((path) => removeOp(path, folder.rows.seen(path)))
  const results = await apply(folder.disk, ...gone, directoryOp('new'), directoryOp('new/deep'), fileOp('new/deep/f', 'one'), fileOp('new/g', 'two'))
  t.alike([...new Set(results.map((result) => result.kind))], ['done'])
  t.alike(tree(folder.root), ['new', 'new/deep', 'new/deep/f', 'new/g'])
})

test('setuid, setgid and sticky bits are neither set nor taken', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd'))
  fs.chmodSync(join(folder.root, 'd'), 0o2775)
  await scan(folder)
  const result = await applyOne(folder.disk, { kind: 'attributes', path: 'd' as PathKey, expect: folder.rows.seen('d'), mode: 0o700, mtime: null })
  t.is(result.kind, 'done')
  t.is(fs.statSync(join(folder.root, 'd')).mode & 0o7777, 0o2700)
})

test('times far back and far ahead are kept to the microsecond', async (t) => {
  const folder = await openFolder(t)
  const times = ['0', '-1000', '1000', '999999000', '-123456789000', '1700000000000001000', '1699999999999999000', '4102444800123457000', '2147483648000001000']
  for (const [i, mtime] of times.entries()) {
    await stage(folder.disk, `${i}`)
    t.is((await applyOne(folder.disk, fileOp(`f${i}`, `${i}`, { mtime }))).kind, 'done')
    t.is(inMicroseconds(statOf(folder.root, `f${i}`)), mtime)
    const link = await applyOne(folder.disk, symlinkOp(`l${i}`, 'x', { mtime }))
    t.is(link.kind === 'done' && link.seen !== null && inMicroseconds(link.seen), mtime)
  }
})

clean('names that the file system refuses are problems with a sentence, and the rest is done', FULL, async (t, folder) => {
  await stage(folder.disk, 'one')
  await stage(folder.disk, 'two')
  const results = await apply(folder.disk, fileOp('x'.repeat(256), 'one'), fileOp('ok', 'two'))
  t.is(results[0]?.kind === 'problem' && results[0].problem.code, 'ENAMETOOLONG')
  t.ok(results[0]?.kind === 'problem' && results[0].problem.message.startsWith('cannot write xxx'))
  t.is(results[1]?.kind, 'done')
})

test('a staged file that also has a name in the tree is never written to', async (t) => {
  const folder = await openFolder(t)
  const cid = await stage(folder.disk, 'one')
  fs.linkSync(join(folder.root, '.p2psync/staging/fetch', cid), join(folder.root, 'f'))
  fs.writeFileSync(join(folder.root, 'f'), 'two')
  const again = await folder.again()
  await stage(again, 'one')
  t.is(read(folder.root, 'f'), 'two')
  t.is((await applyOne(again, fileOp('g', 'one'))).kind, 'done')
  t.is(read(folder.root, 'g'), 'one')
})

test('a half-fetched content is found after a restart, but for what is not there', async (t) => {
  const folder = await openFolder(t)
  const [a, b] = [Buffer.alloc(100_000, 'a'), Buffer.alloc(50_000, 'b')]
  const { chunkId, contentList } = await import('../../daemon/sync/content.ts')
  const list = contentList(0, [a, b].map((data) => ({ id: chunkId(data), length: data.length })))
  const first = await folder.disk.stage(list)
  await first.write(100_000, b)
  t.alike(first.missing().map((part) => part.offset), [0])
  const again = await folder.again()
  const second = await again.stage(list)
  t.alike(second.missing().map((part) => part.offset), [0])
  await t.exception(second.seal())
  await second.write(0, a)
  await second.seal()
  await second.release()
  await first.release()
  t.is((await applyOne(again, { ...fileOp('f', ''), cid: list.cid, size: list.size } as ApplyOp)).kind, 'done')
  t.is(fs.statSync(join(folder.root, 'f')).size, 150_000)
})

test('a history name that is not one is not read', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, '.p2psync/history/2024-01-01T00'), { recursive: true })
  for (const path of ['../marker.json', '2024-01-01T00/../../marker.json', '/etc/passwd', '2024-01-01T00', '2024-01-01T00/..', 'x/y']) {
    t.is(await folder.disk.read({ area: 'history', path }, 0, 1), null, path)
  }
})

test('a root that is not ours refuses each operation and stays as it is', async (t) => {
  const folder = await openFolder(t)
  await stage(folder.disk, 'one')
  fs.rmSync(join(folder.root, '.p2psync/marker.json'))
  const result = await applyOne(folder.disk, fileOp('f', 'one'))
  t.is(result.kind === 'problem' && result.problem.code, 'FOLDER_HALTED')
  t.alike(tree(folder.root), [])
  t.alike(told([]), [])
})

clean('a move: an atomic save over the old name before it is linked stays a file of its own', FULL, async (t, folder) => {
  put(folder, 'a', 'old')
  await scan(folder)
  folder.before(() => save(folder, 'a', 'the users'))
  const result = await applyOne(folder.disk, moveOp('a', 'b', folder.rows.seen('a')))
  t.alike(result, { kind: 'changed', paths: ['a'] as PathKey[], stray: 'b' as PathKey })
  t.alike([read(folder.root, 'a'), read(folder.root, 'b')], ['the users', 'the users'])
})

test('a move: an atomic save over the old name once the new one is there comes back', async (t) => {
  let calls = 0
  const folder: Folder = await openFolder(t, {
    hooks: {
      beforeMove: () => {
        if (++calls === 2) save(folder, 'a', 'the users')
      }
    }
  })
  put(folder, 'a', 'old')
  await scan(folder)
  const result = await applyOne(folder.disk, moveOp('a', 'b', folder.rows.seen('a')))
  t.alike(result, changed('a', 'b'))
  t.alike([read(folder.root, 'a'), read(folder.root, 'b')], ['the users', 'old'])
  t.alike(leftInStaging(folder.root), [])
})

test('a move: an edit in place on the way goes with it, and a scan reads it', async (t) => {
  let calls = 0
  const folder: Folder = await openFolder(t, {
    hooks: {
      beforeMove: () => {
        if (++calls === 2) fs.appendFileSync(join(folder.root, 'a'), ' and more')
      }
    }
  })
  put(folder, 'a', 'old')
  await scan(folder)
  const source = folder.rows.seen('a')
  const result = await applyOne(folder.disk, moveOp('a', 'b', source))
  t.is(result.kind, 'done')
  t.alike([fs.existsSync(join(folder.root, 'a')), read(folder.root, 'b')], [false, 'old and more'])
  folder.rows.put('b', { entry: { kind: 'file', vv: {}, dots: [] } as never, seen: result.kind === 'done' ? result.seen : null })
  folder.rows.put('a', { entry: { kind: 'tombstone', vv: {}, dots: [] }, seen: null })
  t.alike(told(await scan(folder)), ['present b'])
})

clean('a move: a file that is saved at the new name in the last instant stays', FULL, async (t, folder) => {
  put(folder, 'a', 'old')
  await scan(folder)
  folder.before(() => put(folder, 'b', 'the users'))
  t.alike(await applyOne(folder.disk, moveOp('a', 'b', folder.rows.seen('a'))), changed('b'))
  t.alike([read(folder.root, 'a'), read(folder.root, 'b')], ['old', 'the users'])
})

test('without hard links a move is refused, and everything stays', async (t) => {
  const folder = await openFolder(t, { capabilities: { noReplace: true, links: false, exchange: true } })
  put(folder, 'a', 'old')
  await scan(folder)
  t.alike(await applyOne(folder.disk, moveOp('a', 'b', folder.rows.seen('a'))), { kind: 'not-staged' })
  t.alike(tree(folder.root), ['a'])
})
