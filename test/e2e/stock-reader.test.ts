/** An unmodified Hyperdrive with a drive's two keys sees exactly the live tree of that device. */
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { chmod, mkdir, open, readFile, readlink, symlink, unlink } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import test, { type Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperdrive from 'hyperdrive'
import { createPair, type Device } from './harness.ts'
import { treeOf, waitEqual } from './tree.ts'

interface ListedKeys {
  readonly schema: number
  readonly folders: readonly { readonly id: string; readonly drives: readonly { readonly device: string; readonly key: string; readonly encryptionKey: string }[] }[]
}

test('a stock Hyperdrive reads each device\'s drive as exactly the live tree', { timeout: 280_000 }, async (t) => {
  const [a, b] = await createPair(t)
  await fill(a)
  await waitEqual([a.path(), b.path()], 30_000, () => b.read('dir/deep/file.txt').then(() => true, () => false))
  await unlink(b.path('deleted.txt'))
  const file = await open(a.path('huge.bin'), 'r+')
  await file.write(randomBytes(100_000), 0, 100_000, 9_000_000)
  await file.close()
  const synced = await a.cli('sync', '--timeout', '200s', '--json')
  t.is(synced.code, 0, synced.stderr)
  await waitEqual([a.path(), b.path()], 10_000)

  const listed = (await a.cli('list', '--keys', '--json')).json as ListedKeys
  const [folder] = listed.folders
  if (folder === undefined) throw new Error('no folder is listed')
  t.is(folder.drives.length, 2, 'a drive of each device')
  for (const device of [a, b]) {
    const id = await device.id()
    const drive = folder.drives.find((each) => each.device === id)
    if (drive === undefined) throw new Error(`no drive of ${device.name}`)
    await readsAs(t, device, folder.id, drive.key, drive.encryptionKey)
  }
})

async function fill(device: Device): Promise<void> {
  await device.write('file.txt', 'text')
  await device.write('empty.txt', '')
  await device.write('deleted.txt', 'soon gone')
  await device.write('dir/deep/file.txt', 'deep')
  await device.write('large.bin', randomBytes(3 * 1024 * 1024))
  // Large enough that its edit is stated by a block map.
  await device.write('huge.bin', randomBytes(20 * 1024 * 1024))
  await device.write('run.sh', '#!/bin/sh\n')
  await chmod(device.path('run.sh'), 0o755)
  await mkdir(device.path('empty-directory'))
  await symlink('dir/deep/file.txt', device.path('link'))
}

async function readsAs(t: Assert, device: Device, folder: string, key: string, encryptionKey: string): Promise<void> {
  const store = new Corestore(await t.tmp())
  t.teardown(() => store.close(), { order: -1 })
  const stream = store.replicate(true)
  const socket = await upgrade(device.socket, `/v1/folders/${folder}/replicate`)
  t.teardown(() => socket.destroy(), { order: -2 })
  socket.on('error', () => stream.destroy())
  stream.on('error', () => socket.destroy())
  stream.pipe(socket).pipe(stream)
  const drive = new Hyperdrive(store, Buffer.from(key, 'hex'), { encryptionKey: Buffer.from(encryptionKey, 'hex') })
  await drive.ready()
  await drive.update({ wait: true })

  const onDisk = [...(await treeOf(device.path()))].filter(([, line]) => !line.startsWith('directory')).map(([path]) => `/${path}`)
  const inDrive: string[] = []
  for await (const entry of drive.list('/')) inDrive.push(entry.key)
  t.alike(inDrive.sort(), onDisk.sort(), `${device.name}: the same paths, no directories, no tombstones`)
  for (const path of onDisk) {
    const entry = await drive.entry(path)
    const local = device.path(path.slice(1))
    if (entry?.value.linkname) t.is(entry.value.linkname, await readlink(local), path)
    else t.ok((await drive.get(path))?.equals(await readFile(local)), `${path} byte for byte`)
    if (path === '/run.sh') t.is(entry?.value.executable, true, 'executable')
  }
}

/** The duplex that the daemon offers in place of an HTTP answer. */
function upgrade(socketPath: string, path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, headers: { Connection: 'Upgrade', Upgrade: 'hypercore' } })
    sent.on('upgrade', (_response, socket, head: Buffer) => {
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    sent.on('response', (response) => reject(new Error(`not upgraded: ${response.statusCode}`)))
    sent.on('error', reject)
    sent.end()
  })
}
