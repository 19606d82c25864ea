/** What is not synced, and what cannot be: ignored paths, FIFOs, names that are no UTF-8, unreadable files. */
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { link, readFile, unlink, writeFile } from 'node:fs/promises'
import test from 'brittle'
import { createPair } from './harness.ts'
import { treeOf, waitEqual, waitFor } from './tree.ts'

test('ignored paths stay on their device; the ignore file itself is synced', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('.p2psyncignore', 'build/\n*.tmp\n!keep.tmp\n')
  await waitFor('the rules arrive', () => existsSync(b.path('.p2psyncignore')))
  await a.write('build/output.bin', 'x')
  await a.write('src/a.tmp', 'x')
  await a.write('src/keep.tmp', 'kept')
  await b.write('build/other.bin', 'y')
  await a.call('folders.sync', { timeoutMs: 120_000 })
  t.is(await b.read('src/keep.tmp'), 'kept')
  t.absent(existsSync(b.path('src/a.tmp')))
  t.absent(existsSync(b.path('build/output.bin')))
  t.absent(existsSync(a.path('build/other.bin')))
  t.is((await a.call('status.get', {})).folders[0]?.files, 2, 'ignored files are not counted')

  await writeFile(a.path('.p2psyncignore'), '')
  await waitEqual([a.path(), b.path()], 20_000, () => existsSync(a.path('build/other.bin')) && existsSync(b.path('src/a.tmp')))
  t.pass('what is ignored no more is synced')
})

test('FIFOs and names that are no UTF-8 are reported and everything else goes on', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  execFileSync('mkfifo', [a.path('pipe')])
  writeFileSync(Buffer.concat([Buffer.from(`${a.path()}/bad-`), Buffer.from([0xff, 0xfe])]), 'x')
  await a.write('good.txt', 'good')
  await waitFor('the good file arrives', () => existsSync(b.path('good.txt')))
  await a.call('folders.scan', {})
  const problems = (await a.call('status.get', {})).folders[0]?.problems ?? []
  t.ok(problems.some((problem) => problem.path === 'pipe' && problem.code === 'special-file'), 'the FIFO is reported')
  t.ok(problems.some((problem) => problem.path.startsWith('bad-') && problem.code === 'invalid-name'), 'the name is reported')
  t.alike([...(await treeOf(b.path())).keys()], ['good.txt'])

  await unlink(a.path('pipe'))
  await a.write('pipe', 'a file now')
  await waitFor('what took its place is synced', () => readFile(b.path('pipe'), 'utf8').then((text) => text === 'a file now', () => false))
  const left = (await a.call('status.get', {})).folders[0]?.problems ?? []
  t.absent(left.some((problem) => problem.path === 'pipe'), 'the problem is gone')
})

test('hard links are synced as files of their own; an edit of one stays one', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('first.txt', 'linked')
  await link(a.path('first.txt'), a.path('second.txt'))
  await waitEqual([a.path(), b.path()], 20_000, () => existsSync(b.path('second.txt')))
  await b.write('second.txt', 'edited on b')
  await waitFor('the edit arrives', () => a.read('second.txt').then((text) => text === 'edited on b'))
  t.is(await b.read('first.txt'), 'linked', 'not linked on the other device')
  t.is(await a.read('first.txt'), 'linked', 'not written through')
})

test('a symlink out of the folder is never followed', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await b.write('dir/file.txt', 'inside')
  await waitEqual([a.path(), b.path()], 20_000, () => existsSync(a.path('dir/file.txt')))
  await a.stop()
  execFileSync('mkdir', [a.beside('outside')])
  await writeFile(a.beside('outside/file.txt'), 'not yours')
  execFileSync('rm', ['-r', a.path('dir')])
  execFileSync('ln', ['-s', '../outside', a.path('dir')])
  await b.write('dir/file.txt', 'edited on b')
  await a.start()
  await waitFor('both are settled', async () => (await a.call('folders.sync', { timeoutMs: 120_000 })).outcome === 'in-sync')
  await waitEqual([a.path(), b.path()], 20_000)
  t.is(await readFile(a.beside('outside/file.txt'), 'utf8'), 'not yours')
})
