/** What only a real disk can show of a scan; test/contract/disk.test.ts has what every disk must do. */
import * as fs from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'brittle'
import { MAX_CONTENT_BYTES } from '../../base/limits.ts'
import type { Workers } from '../../base/workers.ts'
import { run as cutPart, type CutInput } from '../../daemon/disk/cut-task.ts'
import type { Finding, Row } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { listOf, openFolder, scan, statOf, told, tree } from './tree.ts'
import { asUser, giveAway } from './user.ts'

test('invalid UTF-8 is a problem under an escaped name, and what is beside it is synced', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(Buffer.concat([Buffer.from(`${folder.root}/bad-`), Buffer.of(0xff, 0xfe)]), 'x')
  fs.writeFileSync(join(folder.root, 'bad-\ufffd\ufffd'), 'the same in a sloppy eye')
  fs.writeFileSync(join(folder.root, 'ä€𝄞'), 'y')
  t.alike(told(await scan(folder)), ['present bad-\ufffd\ufffd', 'present ä€𝄞', 'problem bad-\\xff\\xfe (not UTF-8) invalid-name'])
})

test('a directory with a name that cannot be synced is not entered', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(Buffer.concat([Buffer.from(`${folder.root}/d`), Buffer.of(0x80)]))
  fs.writeFileSync(Buffer.concat([Buffer.from(`${folder.root}/d`), Buffer.of(0x80), Buffer.from('/inside')]), 'x')
  t.alike(told(await scan(folder)), ['problem d\\x80 (not UTF-8) invalid-name'])
})

test('names with newlines, quotes and backslashes are names', async (t) => {
  const folder = await openFolder(t)
  const names = ['a\nb', 'c\\d', '"e"', ' f ', '-g', '%h', 'i:j', '…']
  for (const name of names) fs.writeFileSync(join(folder.root, name), name)
  t.alike(told(await scan(folder)), names.map((name) => `present ${name}`).sort())
})

test('new files of which a scan keeps only the paths, or nothing, are told like any other', async (t) => {
  const folder = await openFolder(t, { heldInScan: 1 })
  const names = Array.from({ length: 120 }, (_, i) => `${i}`)
  for (const name of names) fs.writeFileSync(join(folder.root, name), name)
  t.alike(told(await scan(folder)), names.map((name) => `present ${name}`).sort())
  t.is(await contentAt(folder, '40'), listOf('40').cid)
})

test('a file of which a scan kept only the path is known for one that moved', async (t) => {
  const folder = await openFolder(t, { heldInScan: 1 })
  fs.mkdirSync(join(folder.root, 'from'))
  fs.mkdirSync(join(folder.root, 'to'))
  const names = Array.from({ length: 10 }, (_, i) => `${i}`)
  for (const name of names) fs.writeFileSync(join(folder.root, 'from', name), name)
  await scan(folder)
  for (const name of names) folder.rows.put(`from/${name}`, { entry: { kind: 'file', cid: listOf(name).cid } as Row['entry'], seen: folder.rows.seen(`from/${name}`) })
  for (const name of names) fs.renameSync(join(folder.root, 'from', name), join(folder.root, 'to', name))
  const found: Finding[] = []
  for await (const findings of folder.disk.scan({ paths: 'all', ignored: () => false }, folder.rows, new AbortController().signal)) found.push(...findings)
  const moved = found.flatMap((finding) => (finding.kind === 'present' && finding.moved !== undefined ? [`${finding.moved.from} ${finding.path}`] : []))
  t.alike(moved.sort(), names.map((name) => `from/${name} to/${name}`).sort())
})

test('R46: that a directory moved is told before all that was in it is gone through', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd/e'), { recursive: true })
  fs.writeFileSync(join(folder.root, 'd/e/file'), 'bytes')
  await scan(folder)
  fs.renameSync(join(folder.root, 'd'), join(folder.root, 'n'))
  const order: string[] = []
  folder.rows.onChildren = (directory) => void order.push(`reads ${directory}`)
  await scan(folder, { paths: ['d', 'd/e', 'n'] as PathKey[], onMovedDirectory: ({ from, to }) => void order.push(`${from} to ${to}`) })
  t.is(order[0], 'd to n', order.join(', '))
})

test('a symlinked directory is a symlink, and a cycle of them ends nothing', async (t) => {
  const folder = await openFolder(t)
  const outside = await t.tmp()
  fs.writeFileSync(join(outside, 'secret'), 's')
  fs.symlinkSync(outside, join(folder.root, 'out'))
  fs.symlinkSync('.', join(folder.root, 'self'))
  t.alike(told(await scan(folder)), ['present out', 'present self'])
  t.alike(told(await scan(folder, { paths: ['out/secret', 'self/out'] as PathKey[] })), [])
})

test('nothing is absent when the marker goes in the middle of a scan', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd'))
  fs.writeFileSync(join(folder.root, 'd/f'), 'x')
  await scan(folder)
  fs.rmSync(join(folder.root, 'd'), { recursive: true })
  folder.rows.onChildren = () => fs.rmSync(join(folder.root, '.p2psync'), { recursive: true, force: true })
  await t.exception(scan(folder), /marker\.json is missing/)
  t.is((await folder.rows.row('d/f' as PathKey))?.entry.kind, 'file')
})

test('nothing is absent when the root makes way for another directory', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(join(folder.root, 'f'), 'x')
  await scan(folder)
  t.is((await folder.disk.inspect()).kind, 'ready')
  fs.renameSync(folder.root, `${folder.root}-moved`)
  fs.mkdirSync(folder.root)
  const state = await folder.disk.inspect()
  t.is(state.kind === 'halted' && state.code, 'root-replaced')
  await t.exception(scan(folder), /another directory stands there/)
})

test('what changes while it is read is unstable and told once it rests', async (t) => {
  const folder = await openFolder(t)
  const file = join(folder.root, 'f')
  fs.writeFileSync(file, Buffer.alloc(8 * 1024 * 1024))
  const writer = setInterval(() => fs.appendFileSync(file, 'x'), 1)
  const found = await scan(folder)
  clearInterval(writer)
  t.alike(told(found), ['unstable f'])
  t.alike(told(await scan(folder)), ['present f'])
})

test('a write behind the place that is being read is not taken for read', async (t) => {
  let act: () => void = () => undefined
  const folder = await openFolder(t, { workers: oneThread(() => act()) })
  const file = join(folder.root, 'f')
  // Two parts: the write comes when the first is read, and the second is not.
  fs.writeFileSync(file, Buffer.alloc(33 * 1024 * 1024))
  let written = false
  act = () => {
    if (written) return
    written = true
    const fd = fs.openSync(file, 'r+')
    fs.writeSync(fd, 'x', 0)
    fs.closeSync(fd)
  }
  await scan(folder)
  t.ok(written)
  await scan(folder)
  const known = await contentAt(folder, 'f')
  await scan(folder, { rehash: true })
  t.is(await contentAt(folder, 'f'), known)
})

test('a small file that is written once its bytes were read is read again', async (t) => {
  const folder = await openFolder(t)
  const file = join(folder.root, 'f')
  fs.writeFileSync(file, 'before')
  let reads = 0
  await scan(folder, { onChunk: () => void (reads++ === 0 && fs.writeFileSync(file, 'behind')) })
  await scan(folder)
  t.is(await contentAt(folder, 'f'), listOf('behind').cid)
})

/** Does the work of a thread here, and acts after each task. */
function oneThread(act: () => void): Workers {
  return {
    size: 1,
    queued: 0,
    run: async <Output>(_module: URL, input: unknown) => {
      const output = cutPart(input as CutInput) as Output
      act()
      return output
    }
  }
}

async function contentAt(folder: Awaited<ReturnType<typeof openFolder>>, path: string): Promise<string> {
  const entry = (await folder.rows.row(path as PathKey))?.entry as unknown as { readonly content: { readonly cid: string } }
  return entry.content.cid
}

test('an edit within the same tick of the clock as the scan is found', async (t) => {
  const folder = await openFolder(t)
  const file = join(folder.root, 'f')
  let missed = 0
  for (let i = 0; i < 20; i++) {
    fs.writeFileSync(file, `a${i % 10}`)
    await scan(folder, { paths: ['f' as PathKey] })
    fs.writeFileSync(file, `b${i % 10}`)
    if (told(await scan(folder, { paths: ['f' as PathKey] })).length === 0) missed++
  }
  t.is(missed, 0)
})

test('a directory replaced by another of the same name is read wholly', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd/e'), { recursive: true })
  fs.writeFileSync(join(folder.root, 'd/e/f'), 'old')
  await scan(folder)
  fs.mkdirSync(join(folder.root, 'other/e'), { recursive: true })
  fs.writeFileSync(join(folder.root, 'other/e/g'), 'new')
  fs.renameSync(join(folder.root, 'd'), join(folder.root, 'gone'))
  fs.renameSync(join(folder.root, 'other'), join(folder.root, 'd'))
  t.alike(told(await scan(folder, { paths: ['d' as PathKey] })), ['absent d/e/f', 'present d', 'present d/e', 'present d/e/g'])
})

test('R10: a directory kept by ignored things in a directory of its own stays untold', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'a/b'), { recursive: true })
  fs.writeFileSync(join(folder.root, 'a/b/x.tmp'), '')
  const shadow = (path: string): Row => ({ entry: { kind: 'tombstone', vv: {}, dots: [] }, shadow: true, seen: folder.rows.seen(path) })
  const ignored = (path: PathKey): boolean => path.endsWith('.tmp')
  await scan(folder, { ignored })
  folder.rows.put('a', shadow('a'))
  folder.rows.put('a/b', shadow('a/b'))
  t.alike(await scan(folder, { ignored }), [])
  fs.writeFileSync(join(folder.root, 'a/b/kept'), '')
  t.alike(told(await scan(folder, { ignored })), ['present a', 'present a/b', 'present a/b/kept'])
})

test('a FIFO, a socket and a device are problems, healed when they are gone', async (t) => {
  const folder = await openFolder(t)
  execFileSync('mkfifo', [join(folder.root, 'fifo')])
  t.alike(told(await scan(folder)), ['problem fifo special-file'])
  t.alike(told(await scan(folder)), ['problem fifo special-file'], 'told by each scan')
  fs.rmSync(join(folder.root, 'fifo'))
  fs.writeFileSync(join(folder.root, 'fifo'), 'a file now')
  t.alike(told(await scan(folder)), ['healed fifo', 'present fifo'])
  t.alike(await scan(folder), [])
})

test('a root whose names cannot be read halts the folder until they can be, though its marker is there', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd'))
  fs.writeFileSync(join(folder.root, 'd/f'), 'x')
  giveAway(folder.root)
  if (asUser(t) === null) return
  await scan(folder)
  fs.chmodSync(join(folder.root), 0o311)
  t.is((await folder.disk.inspect()).kind, 'ready', 'nobody has tried yet')
  await t.exception(async () => await scan(folder), /cannot be read/)
  for (let i = 0; i < 2; i++) {
    const state = await folder.disk.inspect()
    t.is(state.kind === 'halted' && state.code, 'root-unreadable')
  }
  fs.chmodSync(join(folder.root), 0o755)
  t.is((await folder.disk.inspect()).kind, 'ready')
  t.alike(told(await scan(folder)), [])
})

test('a path that nobody may read is a problem, nothing below it is absent, and it heals', async (t) => {
  const folder = await openFolder(t)
  fs.mkdirSync(join(folder.root, 'd'))
  fs.writeFileSync(join(folder.root, 'd/f'), 'x')
  fs.writeFileSync(join(folder.root, 'g'), 'x')
  giveAway(folder.root)
  if (asUser(t) === null) return
  await scan(folder)
  fs.chmodSync(join(folder.root, 'd'), 0)
  fs.chmodSync(join(folder.root, 'g'), 0)
  t.alike(told(await scan(folder)), ['present d', 'problem d EACCES', 'problem g EACCES'])
  fs.chmodSync(join(folder.root, 'd'), 0o755)
  fs.chmodSync(join(folder.root, 'g'), 0o644)
  t.alike(told(await scan(folder, { paths: ['' as PathKey] })), ['healed d', 'healed g', 'present d', 'present g'])
  t.alike(await scan(folder), [])
})

test('a deep tree is read without holding its directories open', async (t) => {
  const folder = await openFolder(t)
  const deep = Array.from({ length: 300 }, (_, i) => `d${i}`).join('/')
  fs.mkdirSync(join(folder.root, deep), { recursive: true })
  fs.writeFileSync(join(folder.root, deep, 'f'), 'x')
  t.is((await scan(folder)).length, 301)
  t.is(tree(folder.root).length, 301)
  await folder.disk.close()
  t.ok(fs.readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(folder.root)).length === 0, 'nothing is open after close')
})

test('a large file does not hold back what was found beside it', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(join(folder.root, 'large'), '')
  fs.truncateSync(join(folder.root, 'large'), 300 * 1024 * 1024)
  fs.writeFileSync(join(folder.root, 'small'), 'x')
  const order: string[] = []
  for await (const findings of folder.disk.scan({ paths: 'all', ignored: () => false }, folder.rows, new AbortController().signal)) order.push(...findings.map((finding) => finding.path), '|')
  t.alike(order, ['small', '|', 'large', '|'])
})

test('a file that others could not take is a problem, and is not read', { timeout: 60_000 }, async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(join(folder.root, 'huge'), 'x')
  // Sparse.
  fs.truncateSync(join(folder.root, 'huge'), MAX_CONTENT_BYTES + 1)
  fs.writeFileSync(join(folder.root, 'small'), 'x')
  const findings = await scan(folder)
  t.alike(findings.flatMap((finding) => (finding.kind === 'problem' ? [finding.path, finding.problem.code] : [])), ['huge', 'too-large'])
  t.alike(told(findings).filter((line) => line.includes('small')).length, 1)
  fs.truncateSync(join(folder.root, 'huge'), 1)
  t.ok((await scan(folder)).some((finding) => finding.kind === 'healed'))
})

test('an abort in the middle of a large file ends the scan without a word of it', async (t) => {
  const folder = await openFolder(t)
  fs.writeFileSync(join(folder.root, 'large'), '')
  fs.truncateSync(join(folder.root, 'large'), 4 * 1024 ** 3)
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), 50)
  const found: string[] = []
  for await (const findings of folder.disk.scan({ paths: 'all', ignored: () => false }, folder.rows, abort.signal)) found.push(...findings.map((finding) => finding.path))
  clearTimeout(timer)
  t.alike(found, [])
})

function linkOf(fd: string): string {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}

test('a file is held open only as what was seen of it, and says when it is that no more', async (t) => {
  const folder = await openFolder(t)
  const path = join(folder.root, 'f')
  const place = { area: 'tree', path: 'f' } as const
  const change: Record<string, () => void> = {
    edited: () => fs.writeFileSync(path, 'other'),
    truncated: () => fs.truncateSync(path, 1),
    replaced: () => {
      fs.writeFileSync(`${path}2`, 'bytes')
      fs.renameSync(`${path}2`, path)
    },
    renamed: () => fs.renameSync(path, `${path}3`),
    deleted: () => fs.unlinkSync(path)
  }
  for (const [name, run] of Object.entries(change)) {
    fs.writeFileSync(path, 'bytes')
    await new Promise((resolve) => setTimeout(resolve, 20))
    const seen = statOf(folder.root, 'f')
    const file = await folder.disk.hold(place, seen)
    t.ok(file, name)
    t.is(await file?.isUnchanged(), true)
    run()
    t.is(await file?.isUnchanged(), false, name)
    await file?.close()
    t.is(await folder.disk.hold(place, seen), null, `${name}: held no more`)
  }
  fs.symlinkSync('f3', path)
  t.is(await folder.disk.hold(place, statOf(folder.root, 'f3')), null, 'a symlink is never followed')
})

test('a file of a MiB is asked for before it is read, and how long that took is told', async (t) => {
  const folder = await openFolder(t)
  const [asked, took]: [string[], string[]] = [[], []]
  let rests = false
  const look = async (): Promise<string[]> => {
    const request = { rests: (path: PathKey) => (asked.push(path), rests), onLongRead: (path: PathKey, bytes: number, ms: number) => took.push(`${path} ${bytes} ${ms >= 0}`) }
    return told(await scan(folder, request))
  }
  const large = join(folder.root, 'large')
  fs.writeFileSync(large, Buffer.alloc(1024 * 1024))
  fs.writeFileSync(join(folder.root, 'small'), 'x')
  t.alike([await look(), asked, took.splice(0)], [['present large', 'present small'], ['large'], ['large 1048576 true']])
  asked.length = 0
  fs.appendFileSync(large, 'y')
  fs.appendFileSync(join(folder.root, 'small'), 'y')
  rests = true
  t.alike([await look(), asked.splice(0), took], [['present small'], ['large'], []], 'it rests, and nothing is said of it')
  rests = false
  t.alike([await look(), asked.splice(0), took.splice(0)], [['present large'], ['large'], ['large 1048577 true']])
})
