/** Reading a log whose blocks were made by somebody who means harm. */
import test from 'brittle'
import { readBlocks } from '../../daemon/drive/history.ts'
import { openStore } from './fixtures.ts'

const MIB = 1024 * 1024

test('blocks as large as they can be are read a few at once', async (t) => {
  const store = await openStore(t, 1)
  const core = store.corestore.get({ name: 'large' })
  await core.ready()
  t.teardown(() => core.close(), { order: 0 })
  await core.append(Array.from({ length: 8 }, () => Buffer.from('small')))
  for (let i = 0; i < 10; i++) await core.append(Array.from({ length: 8 }, () => Buffer.alloc(MIB, i)))
  const get = core.get.bind(core)
  let [now, most] = [0, 0]
  core.get = async (index, options) => {
    const block = await get(index, options)
    now += block?.length ?? 0
    most = Math.max(most, now)
    return block
  }
  const read: number[] = []
  for (let at = 0; at < core.length; ) {
    now = 0
    const blocks = await readBlocks(core, at, core.length)
    for (const block of blocks) read.push(block.length)
    at += blocks.length
  }
  t.alike(read, [...Array<number>(8).fill(5), ...Array<number>(80).fill(MIB)], 'all of them')
  t.ok(most <= 32 * MIB, `${Math.round(most / MIB)} MiB at once`)
  t.alike(await readBlocks(core, core.length, core.length + 5), [], 'nothing behind the end')
})
