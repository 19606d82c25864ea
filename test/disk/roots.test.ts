/** Whose root it is, is asked again and again; what is remembered of the last answer must not hide a change. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { Roots } from '../../daemon/disk/roots.ts'
import { FOLDER, OTHER_FOLDER, openFolder } from './tree.ts'

type T = Parameters<typeof openFolder>[0]

/** As if the marker had been written some time ago, and was looked at since. */
async function settled(t: T): Promise<{ root: string; marker: string; roots: Roots }> {
  const { root } = await openFolder(t)
  const now = Date.now
  Date.now = () => now() + 60_000
  t.teardown(() => {
    Date.now = now
  })
  const roots = new Roots({ root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  for (let i = 0; i < 2; i++) t.is((await roots.inspect()).kind, 'ready')
  return { root, marker: join(root, '.p2psync/marker.json'), roots }
}

async function codeOf(roots: Roots): Promise<string> {
  const state = await roots.inspect()
  return state.kind === 'ready' ? `epoch ${state.epoch}` : state.code
}

/** By this process so far, as Linux counts them. */
function readBytes(): number {
  return Number(/^rchar: (\d+)/m.exec(fs.readFileSync('/proc/self/io', 'utf8'))?.[1])
}

test('a marker that was read before is not read again', async (t) => {
  const { marker, roots } = await settled(t)
  const before = readBytes()
  for (let i = 0; i < 50; i++) t.is(await codeOf(roots), 'epoch 0')
  t.ok(readBytes() - before < 50 * fs.statSync(marker).size)
})

test('a marker that is overwritten in place with another of its length is foreign', async (t) => {
  const { marker, roots } = await settled(t)
  const text = fs.readFileSync(marker, 'utf8')
  fs.writeFileSync(marker, text.replace(FOLDER, OTHER_FOLDER))
  t.is(await codeOf(roots), 'marker-foreign')
  await t.exception(roots.use('', async () => undefined), /another folder/)
  fs.writeFileSync(marker, text)
  t.ok((await codeOf(roots)).startsWith('epoch'))
})

test('a marker that was just written is read each time, since a change of it could hide in a coarse time', async (t) => {
  const { root } = await openFolder(t)
  const roots = new Roots({ root, folder: FOLDER, owner: null })
  t.teardown(async () => await roots.close())
  const marker = join(root, '.p2psync/marker.json')
  const before = fs.statSync(marker)
  t.is(await codeOf(roots), 'epoch 0')
  fs.writeFileSync(marker, fs.readFileSync(marker, 'utf8').replace('"epoch":0', '"epoch":7'))
  t.is(fs.statSync(marker).size, before.size)
  t.is(await codeOf(roots), 'epoch 7')
})

test('a marker of a new epoch is seen', async (t) => {
  const { marker, roots } = await settled(t)
  fs.writeFileSync(`${marker}.new`, fs.readFileSync(marker, 'utf8').replace(/"epoch":\d+/, '"epoch":41'))
  fs.renameSync(`${marker}.new`, marker)
  t.is(await codeOf(roots), 'epoch 41')
})

test('a marker that is reached by a symlink counts as missing, even if it is the same file', async (t) => {
  const { root, roots } = await settled(t)
  fs.renameSync(join(root, '.p2psync'), `${root}-own`)
  fs.symlinkSync(`${root}-own`, join(root, '.p2psync'))
  t.is(await codeOf(roots), 'marker-missing')
})

test('a marker that is gone is missing', async (t) => {
  const { marker, roots } = await settled(t)
  fs.rmSync(marker)
  t.is(await codeOf(roots), 'marker-missing')
  await t.exception(roots.use('', async () => undefined), /marker\.json is missing/)
})
