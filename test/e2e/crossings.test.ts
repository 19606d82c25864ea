/** Changes of two devices that get into each other's way: the trees end equal, and every byte is live or in history somewhere. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, rename, rm, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import test from 'brittle'
import { createPair, type Device } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT_MS = 280_000

/** What both trees hold once both devices say that they agree. */
async function settled(a: Device, b: Device): Promise<readonly string[]> {
  await waitFor('both are equal and say so', async () => (await a.call('folders.sync', { timeoutMs: 120_000 })).outcome === 'in-sync', 60_000)
  return [...(await waitEqual([a.path(), b.path()])).keys()]
}

/** The texts of all files of both devices, history included. */
function textsOf(...devices: readonly Device[]): ReadonlySet<string> {
  const texts = new Set<string>()
  for (const device of devices) {
    for (const name of readdirSync(device.path(), { recursive: true, encoding: 'utf8' })) {
      const path = join(device.path(), name)
      if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) texts.add(readFileSync(path, 'utf8'))
    }
  }
  return texts
}

async function apart(a: Device, b: Device, onA: () => Promise<void>, onB: () => Promise<void>): Promise<readonly string[]> {
  await settled(a, b)
  await Promise.all([a.stop(), b.stop()])
  await onA()
  await onB()
  await Promise.all([a.start(), b.start()])
  return await settled(a, b)
}

test('a rename that changes only the case of a name, there and back', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('Readme', 'text')
  await a.write('Dir/file', 'in a directory')
  await settled(a, b)
  await rename(a.path('Readme'), a.path('README'))
  await rename(a.path('Dir'), a.path('dir'))
  await waitFor('the new names come', () => existsSync(b.path('dir/file')) && existsSync(b.path('README')) && !existsSync(b.path('Readme')) && !existsSync(b.path('Dir')))
  t.alike(await settled(a, b), ['README', 'dir', 'dir/file'])
  await rename(b.path('README'), b.path('Readme'))
  await waitFor('the old name comes back', () => existsSync(a.path('Readme')) && !existsSync(a.path('README')))
  t.alike(await settled(a, b), ['Readme', 'dir', 'dir/file'])
  t.is(await a.read('Readme'), 'text')
})

test('a directory removed here while a file is born in it there lives on with that file', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('d/old', 'old')
  await a.write('d/sub/older', 'older')
  const tree = await apart(
    a,
    b,
    async () => await rm(a.path('d'), { recursive: true }),
    async () => await b.write('d/sub/born', 'born')
  )
  t.alike(tree, ['d', 'd/sub', 'd/sub/born'])
  const texts = textsOf(a, b)
  t.alike(['old', 'older', 'born'].filter((text) => !texts.has(text)), [], 'nothing is lost')
})

test('a directory removed there keeps what is ignored or no file here, and nothing else', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('.p2psyncignore', '*.log\n')
  await a.write('ignored/file', 'file')
  await a.write('foreign/file', 'file, too')
  await settled(a, b)
  await b.write('ignored/mine.log', 'mine')
  spawnSync('mkfifo', [b.path('foreign/pipe')])
  await rm(a.path('ignored'), { recursive: true })
  await rm(a.path('foreign'), { recursive: true })
  await waitFor('the files go', () => !existsSync(b.path('ignored/file')) && !existsSync(b.path('foreign/file')))
  await waitFor('the devices agree', async () => (await a.call('folders.sync', { timeoutMs: 120_000 })).outcome === 'in-sync', 60_000)
  t.is(await b.read('ignored/mine.log'), 'mine')
  t.ok(statSync(b.path('foreign/pipe')).isFIFO())
  t.absent(existsSync(a.path('ignored')) || existsSync(a.path('foreign')), 'where nothing keeps them the directories are gone')
})

test('file, directory and symlink take each other’s places on two devices at once', { timeout: TIMEOUT_MS }, async (t) => {
  const [a, b] = await createPair(t)
  for (const name of ['f', 'g', 'h']) await a.write(name, `first ${name}`)
  await a.write('d/x', 'first x')
  await symlink('f', a.path('l'))
  const tree = await apart(
    a,
    b,
    async () => {
      await unlink(a.path('f'))
      await mkdir(a.path('f'))
      await a.write('f/inside', 'inside f')
      await unlink(a.path('g'))
      await symlink('h', a.path('g'))
      await rm(a.path('d'), { recursive: true })
      await a.write('d', 'a file in place of d')
      await unlink(a.path('l'))
      await a.write('l', 'a file in place of the link')
    },
    async () => {
      await b.write('f', 'an edit of f')
      await unlink(b.path('g'))
      await mkdir(b.path('g'))
      await b.write('g/inside', 'inside g')
      await b.write('d/x', 'an edit of x')
      await unlink(b.path('l'))
      await mkdir(b.path('l'))
      await b.write('l/inside', 'inside l')
    }
  )
  const texts = textsOf(a, b)
  const told = ['first f', 'first g', 'first h', 'first x', 'inside f', 'an edit of f', 'inside g', 'a file in place of d', 'an edit of x', 'a file in place of the link', 'inside l']
  t.alike(told.filter((text) => !texts.has(text) && !OVERWRITTEN.has(text)), [], 'nothing is lost')
  t.alike(['f', 'g', 'd', 'l'].filter((name) => !statSync(a.path(name)).isDirectory()), [], 'what has something in it stays a directory')
  t.is(tree.filter((path) => path.startsWith('f.sync-conflict')).length, 1)
})

/** Overwritten by their own user while no daemon ran, on both devices: nobody could keep them. */
const OVERWRITTEN: ReadonlySet<string> = new Set(['first f', 'first g', 'first x'])
