/** File systems that cut times to seconds: an edit in the second in which the one before was read is found. Skipped where this user may not mount. */
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'brittle'
import { mayHideEdit } from '../../daemon/disk/stable-read.ts'
import { openFolder, scan, told } from './tree.ts'

const DISK_BYTES = 16 * 1024 * 1024

test('a time of whole seconds that is young may hide an edit', (t) => {
  const now = 1_700_000_000_500
  t.ok(mayHideEdit({ ctimeNs: 1_700_000_000_000_000_000n }, now))
  t.ok(mayHideEdit({ ctimeNs: 1_699_999_999_000_000_000n }, now), 'FAT has every second one only')
  t.absent(mayHideEdit({ ctimeNs: 1_699_999_998_000_000_000n }, now), 'old')
  t.absent(mayHideEdit({ ctimeNs: 1_700_000_000_123_456_789n }, now), 'fine')
  t.absent(mayHideEdit({ ctimeNs: 1_800_000_000_000_000_000n }, now), 'of a clock that was ahead')
})

test('an edit of the same size within the second in which the file was read', async (t) => {
  const directory = await t.tmp()
  const [image, mount] = [join(directory, 'image'), join(directory, 'mount')]
  fs.mkdirSync(mount)
  fs.writeFileSync(image, '')
  fs.truncateSync(image, DISK_BYTES)
  try {
    execFileSync('mkfs.ext4', ['-q', '-I', '128', image], { stdio: 'ignore' })
    execFileSync('mount', ['-o', 'loop', image, mount], { stdio: 'ignore' })
  } catch {
    t.comment('SKIPPED: cannot mount a file system of coarse times here')
    return t.pass()
  }
  t.teardown(() => execFileSync('umount', ['-l', mount]), { order: 500, force: true })
  const folder = await openFolder(t, { root: join(mount, 'folder') })
  const path = join(folder.root, 'f')
  await sleep(1050 - (Date.now() % 1000))
  fs.writeFileSync(path, 'one-')
  const first = fs.statSync(path, { bigint: true })
  t.alike(told(await scan(folder)), ['present f', 'unstable f'], 'it is told, and looked at again')
  fs.writeFileSync(path, 'two-')
  const second = fs.statSync(path, { bigint: true })
  t.is(second.ctimeNs, first.ctimeNs, 'nothing of its times shows the edit')
  t.alike(told(await scan(folder)), ['present f', 'unstable f'])
  await sleep(2100)
  t.alike(told(await scan(folder)), ['present f'], 'once the second is over it is sure')
  t.alike(told(await scan(folder)), [], 'and read no more')
})
