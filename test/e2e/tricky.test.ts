/**
 * Files that programs write in their own ways: for a long time, through a mapping, as a database with a log, by a rename, in place.
 * One device writes; the other must end equal, with no conflict copy, and must never have had a content that never stood at rest.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { copyFile, mkdir, readdir, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type Assert } from 'brittle'
import { createPair, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }
const run = promisify(execFile)
const MIB = 1024 * 1024

async function has(program: string): Promise<boolean> {
  return await run(program, ['--version']).then(
    () => true,
    () => false
  )
}

async function equalWithoutConflict(t: Assert, a: Device, b: Device): Promise<void> {
  for (const device of [a, b]) {
    const result = await device.call('folders.sync', { timeoutMs: 120_000 })
    if (!result.ok) throw new Error(`${device.name} is not in sync: ${JSON.stringify(result)}`)
  }
  await waitEqual([a.path(), b.path()], 40_000)
  const copies = (await readdir(a.path(), { recursive: true })).filter((name) => name.includes('.sync-conflict-'))
  t.alike(copies, [], 'no conflict copy from a single writer')
}

function digest(path: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    return null // Not there yet.
  }
}

test('tricky: a file that is written in place for seconds, pause by pause, arrives only as it stood at rest', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  const path = a.path('slow.bin')
  const restful = new Set<string | null>([null])
  const received = new Set<string | null>()
  const state = { over: false }
  const watching = (async () => {
    while (!state.over) {
      received.add(digest(b.path('slow.bin')))
      await sleep(5)
    }
  })()
  const fd = openSync(path, 'w')
  const block = Buffer.alloc(256 * 1024)
  // Each round writes all of it with one byte, in small steps; a content that mixes rounds is one that never stood at rest.
  for (let round = 1; round <= 6; round++) {
    for (let at = 0; at < 3 * MIB; at += block.length) {
      writeSync(fd, block.fill(round), 0, block.length, at)
      await sleep(round % 2 === 0 ? 1 : 4)
    }
    fsyncSync(fd)
    restful.add(digest(path))
    await sleep(round % 3 === 0 ? 600 : 0)
  }
  // Growing and shrinking is written too, step by step, so that each step may be seen if the writer rests there.
  ftruncateSync(fd, MIB)
  restful.add(digest(path))
  closeSync(fd)
  await equalWithoutConflict(t, a, b)
  state.over = true
  await watching
  const whole = [...received].filter((each) => each !== null)
  const mixed = whole.filter((each) => !restful.has(each))
  t.ok(whole.length > 0)
  // A pause of the writer that is longer than our reading is rest to anyone who looks: what was read is what stood there then.
  t.comment(`${whole.length} contents received, ${mixed.length} of them from between two rounds`)
  for (const each of mixed) t.fail(`a content that never stood at rest: ${each}`)
})

test('tricky: same size and mtime but other bytes are noticed', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('doc', 'one')
  await waitFor('it comes', () => b.read('doc').then((text) => text === 'one', () => false))
  const { atime, mtime } = await stat(a.path('doc'))
  // In place: the ctime tells.
  await writeFile(a.path('doc'), 'two')
  await utimes(a.path('doc'), atime, mtime)
  await equalWithoutConflict(t, a, b)
  t.is(await b.read('doc'), 'two')
  // By a rename: the inode tells.
  await a.write('.doc.new', 'six')
  await utimes(a.path('.doc.new'), atime, mtime)
  await rename(a.path('.doc.new'), a.path('doc'))
  await equalWithoutConflict(t, a, b)
  t.is(await b.read('doc'), 'six')
})

test('tricky: editors save in their ways', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('plan.txt', 'draft 0\n')
  await a.write('notes.txt', 'line\n')
  await equalWithoutConflict(t, a, b)
  for (let n = 1; n <= 10; n++) {
    // Beside and renamed over, as most do.
    await a.write('.plan.txt.tmp', `draft ${n}\n`)
    await rename(a.path('.plan.txt.tmp'), a.path('plan.txt'))
    // As vim does with backups: the old one moves away, the new one is written at its name, the backup goes.
    await rename(a.path('notes.txt'), a.path('notes.txt~'))
    await a.write('notes.txt', `line\nand ${n}\n`)
    await unlink(a.path('notes.txt~'))
    // As vim does to find out whether it may.
    await a.write('4913', '')
    await unlink(a.path('4913'))
    await sleep(n * 15)
  }
  await run('sed', ['-i', 's/draft/final/', a.path('plan.txt')])
  await copyFile(a.path('plan.txt'), a.path('plan copy.txt'))
  await equalWithoutConflict(t, a, b)
  t.alike((await readdir(b.path())).filter((name) => name !== '.p2psync').sort(), ['notes.txt', 'plan copy.txt', 'plan.txt'])
  t.is(await b.read('plan.txt'), 'final 10\n')
})

const MMAP = `
import mmap, sys, time
with open(sys.argv[1], 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0)
    for n in range(1, 6):
        for at in range(0, len(m), 4096):
            m[at:at + 64] = bytes([n]) * 64
        time.sleep(0.3)
    m.flush()
    m.close()
`

test('tricky: writes through a mapping', TIMEOUT, async (t) => {
  if (!(await has('python3'))) return t.comment('skipped: no python3')
  const [a, b] = await createPair(t)
  await a.write('mapped.bin', Buffer.alloc(2 * MIB))
  await equalWithoutConflict(t, a, b)
  await run('python3', ['-c', MMAP, a.path('mapped.bin')])
  await equalWithoutConflict(t, a, b)
  t.is(readFileSync(b.path('mapped.bin'))[0], 5)
})

const SQLITE = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('pragma journal_mode=wal')
db.execute('create table t (n integer primary key, text)')
for n in range(300):
    db.execute('insert into t values (?, ?)', (n, 'x' * 500))
    if n % 20 == 0: db.execute('pragma wal_checkpoint(passive)')
    time.sleep(0.005)
db.close()
`
const SQLITE_CHECK = `
import sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro&immutable=1', uri=True)
print(db.execute('pragma integrity_check').fetchone()[0], db.execute('select count(*) from t').fetchone()[0])
`

test('tricky: a database with a write-ahead log is whole on the other side', TIMEOUT, async (t) => {
  if (!(await has('python3'))) return t.comment('skipped: no python3')
  const [a, b] = await createPair(t)
  await run('python3', ['-c', SQLITE, a.path('data.db')])
  await equalWithoutConflict(t, a, b)
  const { stdout } = await run('python3', ['-c', SQLITE_CHECK, b.path('data.db')])
  t.is(stdout.trim(), 'ok 300')
})

test('tricky: git in a synced folder', TIMEOUT, async (t) => {
  if (!(await has('git'))) return t.comment('skipped: no git')
  const [a, b] = await createPair(t)
  const git = async (...args: string[]): Promise<void> => void (await run('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.org', '-c', 'gc.autoDetach=false', ...args], { cwd: a.path('repo') }))
  await mkdir(a.path('repo'))
  await git('init', '-q', '-b', 'main')
  for (let n = 0; n < 12; n++) {
    for (let i = 0; i < 8; i++) await a.write(`repo/src/${i}.txt`, `file ${i} of commit ${n - (n % (i + 1))}\n`)
    await git('add', '-A')
    await git('commit', '-q', '--allow-empty', '-m', `commit ${n}`)
  }
  await git('checkout', '-q', '-b', 'other', 'HEAD~5')
  await a.write('repo/src/new.txt', 'new\n')
  await git('add', '-A')
  await git('commit', '-q', '-m', 'other')
  await git('checkout', '-q', 'main')
  await git('gc', '-q', '--prune=now')
  await git('checkout', '-q', 'other')
  await equalWithoutConflict(t, a, b)
  const { stdout, stderr } = await run('git', ['fsck', '--full', '--strict'], { cwd: b.path('repo') })
  t.is(`${stdout}${stderr}`.replace(/^(Checking|notice|dangling).*$/gm, '').trim(), '')
  const status = await run('git', ['-c', 'core.checkStat=minimal', 'status', '--porcelain'], { cwd: b.path('repo') })
  t.is(status.stdout, '')
})

test('tricky: npm install of a local package, and rsync --inplace', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  const source = a.beside('package')
  await mkdir(join(source, 'lib'), { recursive: true })
  await writeFile(join(source, 'package.json'), '{ "name": "local", "version": "1.0.0", "bin": { "local": "lib/0.js" } }')
  for (let n = 0; n < 60; n++) await writeFile(join(source, `lib/${n}.js`), `module.exports = ${n}\n`)
  await a.write('app/package.json', '{ "name": "app", "version": "1.0.0" }')
  await run('npm', ['install', '--offline', '--install-links', '--no-audit', '--no-fund', source], { cwd: a.path('app') })
  await equalWithoutConflict(t, a, b)
  t.ok((await readdir(b.path('app/node_modules/local/lib'))).length === 60)
  if (!(await has('rsync'))) return t.comment('rsync is not here')
  await writeFile(a.beside('big'), Buffer.alloc(3 * MIB, 'first '))
  await run('rsync', ['--inplace', a.beside('big'), a.path('big')])
  await equalWithoutConflict(t, a, b)
  await writeFile(a.beside('big'), Buffer.alloc(4 * MIB, 'second '))
  await run('rsync', ['--inplace', '--no-whole-file', a.beside('big'), a.path('big')])
  await equalWithoutConflict(t, a, b)
  t.is(digest(b.path('big')), digest(a.beside('big')))
})
