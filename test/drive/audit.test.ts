/** Damage in the store of our own drive is found: tree nodes, blocks, and bytes that the files do not have any more. */
import { randomBytes } from 'node:crypto'
import test, { type Assert } from 'brittle'
import type Hypercore from 'hypercore'
import type { Own } from '../../daemon/drive/own.ts'
import type { Drives } from '../../daemon/drive/drives.ts'
import type { Stated } from '../../daemon/ports.ts'
import { Contents, DEVICE, FOLDER, FOLDER_KEY, directory, file, openDrives, path, source, tombstone } from './fixtures.ts'

const NEVER = new AbortController().signal

async function written(t: Assert): Promise<{ drives: Drives; drive: Own; large: Stated }> {
  const { drives } = await openDrives(t, 1)
  const drive = await drives.openOwn({ folder: FOLDER, device: DEVICE, folderKey: FOLDER_KEY, generation: 1 })
  drives.setSource(drive.key, source)
  const contents = new Contents()
  const list = contents.list(randomBytes(700_000))
  await drive.publish([file('large', list, 1), file('small', contents.list(Buffer.from('hello')), 2), directory('d', 3), tombstone('gone', 4)], contents.read)
  for (let n = 5; n < 40; n++) await drive.publish([directory(`d/${n}`, n)], contents.read)
  const [large] = await drive.stated([path('large')])
  if (large === undefined || large === null) throw new Error('nothing is stated')
  return { drives, drive, large }
}

async function damage(core: Hypercore, change: (write: ReturnType<Hypercore['state']['storage']['write']>) => void): Promise<void> {
  const write = core.state.storage.write()
  change(write)
  await write.flush()
}

test('audit: a sound drive has every node looked at and no fault', async (t) => {
  const { drive, large } = await written(t)
  const { nodes, faults } = await drive.audit(NEVER)
  t.alike(faults, [])
  t.ok(nodes >= 2 * drive.length - 8, 'nearly two nodes a block')
  t.alike(await drive.verify(large), { blocks: 12, fault: null }, '11 chunks and a page')
})

test('audit: a lost and a changed tree node, in either core', async (t) => {
  const { drive } = await written(t)
  await damage(drive.db, (write) => write.deleteTreeNode(8))
  const lost = await drive.audit(NEVER)
  t.is(lost.faults.length >= 1 && lost.faults.every((fault) => fault.startsWith('the db core')), true, lost.faults.join(', '))
  await damage(drive.blobs, (write) => write.putTreeNode({ index: 4, size: 7, hash: randomBytes(32) }))
  t.ok((await drive.audit(NEVER)).faults.some((fault) => fault.startsWith('the blobs core')))
})

test('audit: a block of the db core that is another one, or none', async (t) => {
  const { drive } = await written(t)
  await damage(drive.db, (write) => write.putBlock(9, randomBytes(60)))
  t.alike((await drive.audit(NEVER)).faults, ['the db core: block 9 is not the one that was signed'])
  await damage(drive.db, (write) => write.deleteBlock(9))
  t.alike((await drive.audit(NEVER)).faults, ['the db core: block 9 is missing'])
})

test('audit: a stopped one ends early', async (t) => {
  const { drive } = await written(t)
  t.alike((await drive.audit(AbortSignal.abort())).faults, [])
})

test('verify: bytes that the files do not have any more, a wrong range, a wrong page', async (t) => {
  const { drives, drive, large } = await written(t)
  const { blob } = large
  if (blob === null) return t.fail()
  t.is((await drive.verify({ ...large, blob: { ...blob, blockOffset: blob.blockOffset + 1 } })).fault, 'its blocks are not the content that is stated')
  t.ok((await drive.verify({ ...large, blob: null })).fault)
  await damage(drive.blobs, (write) => write.putBlock(blob.blockOffset + blob.blockLength, randomBytes(404)))
  t.ok((await drive.verify(large)).fault?.includes('a page of its list'))
  drives.setSource(drive.key, async () => null)
  t.is((await drive.verify(large)).fault, `block ${blob.blockOffset} cannot be read`)
})
