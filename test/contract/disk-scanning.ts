/** The part of the disk's contract that a scan must keep. */
import type { Finding } from '../../daemon/ports.ts'
import { chunkId, contentList } from '../../daemon/sync/content.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { type Check, absorb, never, order, paths, scan, someTree, summary, tombstone, wholeContent } from './disk-helpers.ts'

export function scanning(check: Check): void {
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

  check('what an ignored thing of another kind took the place of is gone', async (t, bench) => {
    const ignored = (path: PathKey, isDirectory: boolean): boolean => (isDirectory ? path === 'f' : path === 'd')
    await bench.user.write('f', 'a file')
    await bench.user.mkdir('d')
    await bench.user.write('d/x', 'inside')
    await absorb(bench, ignored)
    await bench.user.unlink('f')
    await bench.user.mkdir('f')
    await bench.user.write('f/y', 'ignored')
    await bench.user.unlink('d/x')
    await bench.user.rmdir('d')
    await bench.user.write('d', 'ignored')
    const within = (path: PathKey, isDirectory: boolean): boolean => ignored(path, isDirectory) || path.startsWith('f/')
    for (const request of [{}, { paths: paths('d', 'f') }]) t.alike(order(await scan(bench, { ignored: within, ...request })).sort(), ['absent d', 'absent d/x', 'absent f'])
    for (const path of ['d', 'd/x', 'f']) bench.known.put(path, { entry: tombstone(), seen: null })
    t.alike(await scan(bench, { ignored: within }), [])
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

  check('what a special file took the place of is gone', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    for (const path of ['d/e/f', 'empty', 'l']) await bench.user.unlink(path)
    await bench.user.rmdir('d/e')
    for (const path of ['d/e', 'empty', 'l']) await bench.user.fifo(path)
    const found = ['absent d/e', 'absent d/e/f', 'absent empty', 'absent l', 'problem d/e special-file', 'problem empty special-file', 'problem l special-file']
    t.alike(order(await scan(bench)).sort(), found)
    const again = order(await scan(bench, { paths: paths('d/e', 'empty', 'l') }))
    t.alike(again.filter((line) => !line.startsWith('healed')).sort(), found)
    for (const path of ['d/e', 'd/e/f', 'empty', 'l']) bench.known.put(path, { entry: tombstone(), seen: null })
    t.alike(order(await scan(bench)).sort(), found.slice(4))
  })

  check('the reserved directory is not part of the tree', async (t, bench) => {
    t.alike(await scan(bench), [])
    t.alike(await scan(bench, { paths: paths('') }), [])
  })

  check('every directory is named before it is read, unchanged ones too', async (t, bench) => {
    await someTree(bench)
    await absorb(bench)
    const met: string[] = []
    await scan(bench, { onDirectory: (directory) => (met.push(directory), null) })
    t.alike(met.sort(), ['', 'd', 'd/e'])
  })

  check('the bytes of a file of one chunk are handed on with their id', async (t, bench) => {
    await bench.user.write('a', 'one')
    await bench.user.write('empty', '')
    const handed: string[] = []
    await scan(bench, { onChunk: (id, data) => void handed.push(`${data.toString()} ${id === chunkId(data)}`) })
    t.alike(handed, ['one true'])
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

export function scanningSome(check: Check): void {
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
