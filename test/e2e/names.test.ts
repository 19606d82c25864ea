/** Names that other programs stumble over: byte-exact on the other device, or reported with the reason; never aliased, merged or deleted. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import { createPair, waitConnected, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }

const NAMES: readonly string[] = [
  'back\\slash', 'trailing\\', '\\', 'new\nline', 'tab\tand\rreturn', '\u0001\u001b[31m\u007f', ' leading space', 'trailing space ', ' ', '   ',
  'trailing dot.', '...', '.hidden', '. ', '-rf', '--', '-', '*', '?', '~', '$HOME', '`id`', '%5C', '%25', '100%', 'a:b', 'C:', 'con', 'aux.txt', 'nul',
  '"quoted"', "it's", 'a|b', 'caf\u00e9', 'cafe\u0301', 'README', 'readme', 'ReadMe', '\u0130', 'i\u0307', '\u212a', 'k', '\u00df', 'ss', '\ufb01', 'fi',
  '\u{1f600}', '\u200bzero', 'rtl\u202eexe.txt', '\ufeffbom', 'e'.repeat(255), '\u00fc'.repeat(127), '\u{1f600}'.repeat(63),
  'file~x~1a', 'away~-~1b.json', 'a.sync-conflict-abcdefghij.txt', '.sync-conflict-abcdefghij', 'x.sync-conflict-', '.p2psync-restore-1', 'marker.json', 'staging', 'history', 'p2psync', '.p2psyncx',
  '__proto__', 'constructor', 'toString', 'undefined', 'null'
]

function raw(directory: string): string[] {
  return readdirSync(directory, { encoding: 'latin1' }).filter((name) => name !== '.p2psync').sort()
}

async function settled(...devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    const result = await device.call('folders.sync', { timeoutMs: 120_000 })
    if (!result.ok) throw new Error(`${device.name} is not in sync: ${JSON.stringify(result)}`)
  }
}

test('names: each comes byte-exact, as file, directory, symlink; is edited, renamed and deleted by exactly its name', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  for (const [i, name] of NAMES.entries()) {
    if (i % 3 === 0) await a.write(`files/${name}`, `content of ${i}`)
    else if (i % 3 === 1) await a.write(`directories/${name}/${name}`, `content of ${i}`)
    else {
      await mkdir(a.path('links'), { recursive: true })
      execFileSync('ln', ['-s', '--', name, join(a.path('links'), name)])
    }
    await a.write(`all/${name}`, `${i}`)
  }
  await settled(a, b)
  await waitEqual([a.path(), b.path()], 30_000)
  t.is(raw(b.path('all')).length, NAMES.length)
  t.alike(raw(b.path('all')), raw(a.path('all')), 'byte for byte')
  for (const [i, name] of NAMES.entries()) {
    if (i % 4 === 0) await rm(b.path('all', name))
    else if (i % 4 === 1) await b.write(`all/${name}`, `${i} edited`)
    else if (i % 4 === 2) await rename(b.path('all', name), b.path('all', `${i}`))
  }
  await settled(a, b)
  await waitEqual([a.path(), b.path()], 30_000)
  t.is(raw(a.path('all')).length, NAMES.length - Math.ceil(NAMES.length / 4))
  for (const [i, name] of NAMES.entries()) if (i % 4 === 3) t.is(await a.read(`all/${name}`), `${i}`, JSON.stringify(name).slice(0, 40))
})

test('names: a conflict where the name leaves no room for a suffix, and at a name that looks like a copy', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  const names = ['x'.repeat(255), `${'\u00fc'.repeat(125)}.txt`, 'a.sync-conflict-abcdefghij.txt', '-rf', 'new\nline', ' ', `deep/${'d'.repeat(255)}/${'f'.repeat(255)}`]
  for (const name of names) await a.write(name, 'before')
  await settled(a, b)
  await a.stop()
  for (const name of names) await b.write(name, `of b, ${name.length}`)
  await settledAlone(b)
  await b.stop()
  await a.start()
  for (const name of names) await a.write(name, `of a, longer, ${name.length}`)
  await settledAlone(a)
  await b.start()
  await waitConnected(a, b)
  await settled(a, b)
  const tree = await waitEqual([a.path(), b.path()], 30_000)
  const files = [...tree].filter(([, line]) => line.startsWith('file')).map(([path]) => path)
  t.is(files.length, 2 * names.length, 'both versions of each')
  const texts = await Promise.all(files.map(async (path) => await a.read(path)))
  t.is(new Set(texts).size, new Set(names.flatMap((name) => [`of b, ${name.length}`, `of a, longer, ${name.length}`])).size)
  t.ok(files.every((path) => path.split('/').every((name) => Buffer.byteLength(name) <= 255)))
  t.ok(names.every((name) => files.includes(name)), 'each keeps its name')
})

async function settledAlone(device: Device): Promise<void> {
  await device.call('folders.scan', {})
}

test('names: what cannot be a name elsewhere is a problem with its reason, stays where it is, and heals', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('dir/good', 'good')
  const bad = Buffer.concat([Buffer.from(`${a.path('dir')}/bad-`), Buffer.from([0xc3, 0x28])])
  const twin = Buffer.concat([Buffer.from(`${a.path('dir')}/bad-`), Buffer.from([0xff])])
  writeFileSync(bad, 'bad one')
  writeFileSync(twin, 'bad two')
  await mkdir(a.path('.P2psync'))
  await writeFile(a.path('.P2psync/mine'), 'reserved')
  await settled(a, b)
  await problemsAre(t, a, ['.P2psync invalid-name', 'dir/bad-\\xc3( (not UTF-8) invalid-name', 'dir/bad-\\xff (not UTF-8) invalid-name'])
  t.alike(await readdir(b.path('dir')), ['good'], 'not aliased')
  t.is(readdirSync(a.path('dir'), { encoding: 'latin1' }).length, 3, 'and not touched')
  // A deletion of the directory elsewhere leaves it to what it cannot name.
  await rm(b.path('dir'), { recursive: true })
  await waitFor('a follows', () => !existsSync(a.path('dir/good')))
  await settled(a, b)
  t.is(readdirSync(a.path('dir'), { encoding: 'latin1' }).length, 2)
  execFileSync('sh', ['-c', 'cd "$1" && for f in bad-*; do mv -- "$f" "named-$(wc -c < "$f" | tr -d " ")-$(head -c 7 "$f" | tr " " -)"; done', 'sh', a.path('dir')])
  await rename(a.path('.P2psync'), a.path('mine'))
  await settled(a, b)
  await problemsAre(t, a, [])
  await waitEqual([a.path(), b.path()], 20_000)
  t.alike((await readdir(b.path('dir'))).sort(), ['named-7-bad-one', 'named-7-bad-two'])
})

async function problemsAre(t: Assert, device: Device, expected: readonly string[]): Promise<void> {
  await device.call('folders.scan', {})
  const problems = (await device.call('status.get', {})).folders[0]?.problems ?? []
  t.alike(problems.map(({ path, code }) => `${path} ${code}`).sort(), [...expected].sort())
  t.ok(problems.every(({ message }) => message.length > 20))
}

test('names: a path near PATH_MAX is synced; one beyond it is a problem, and the rest goes on', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  const near = Array.from({ length: 15 }, (_, i) => String.fromCharCode(97 + i).repeat(250)).join('/')
  await a.write(`${near}/${'z'.repeat(150)}`, 'deep down')
  // 18 names of 250 bytes are more than a path may have; only step by step can they be made.
  execFileSync('sh', ['-c', 'n=$(printf "%0250d" 7); i=0; while [ $i -lt 18 ]; do mkdir "$n" && cd -P "$n" || exit 1; i=$((i + 1)); done; echo far > file'], { cwd: a.path() })
  // What makes temporary directories go cannot reach so far down.
  t.teardown(() => execFileSync('sh', ['-c', 'rm -rf -- "$1"/000* "$2"/000*', 'sh', a.path(), b.path()]))
  await a.write('good', 'good')
  await settled(a, b)
  t.is(await b.read(`${near}/${'z'.repeat(150)}`), 'deep down')
  t.is(await b.read('good'), 'good')
  const problems = (await a.call('status.get', {})).folders[0]?.problems ?? []
  t.ok(problems.some(({ code, path }) => code === 'invalid-name' && path.startsWith('000')), JSON.stringify(problems).slice(0, 300))
  await rm(b.path(near.split('/')[0] ?? ''), { recursive: true })
  await waitFor('the deletion comes', () => !existsSync(a.path(near.split('/')[0] ?? '')))
})
