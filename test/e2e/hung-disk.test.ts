/** A folder whose disk does not answer (a network file system whose server is gone): the daemon starts, goes on with its other folders, and ends. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import test from 'brittle'
import type { FolderStatus } from '../../rpc/shapes.ts'
import { createWorld, Device } from './harness.ts'
import { waitFor } from './tree.ts'

const TIMEOUT_MS = 180_000
const STEP_MS = 40_000

/** A FUSE file system whose program reads no request: each call waits until it is killed, or unmounted. */
function hang(at: string): (() => void) | null {
  const program = spawn('sh', ['-c', `exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hang "$0" && echo mounted && exec sleep 600`, at], { stdio: ['ignore', 'pipe', 'ignore'] })
  for (let left = 50; left > 0 && !isMounted(at); left--) spawnSync('sleep', ['0.1'])
  const end = (): void => {
    program.kill('SIGKILL')
    spawnSync('umount', ['-l', at])
  }
  if (isMounted(at)) return end
  end()
  return null
}

function isMounted(at: string): boolean {
  return spawnSync('grep', ['-qF', ` ${at} fuse `, '/proc/self/mounts']).status === 0
}

const unable = process.getuid?.() !== 0 ? 'needs root' : existsSync('/dev/fuse') ? null : 'needs /dev/fuse'
if (unable !== null) console.log(`# a disk that hangs is skipped: ${unable}`)

test('a disk that hangs holds up neither the start, nor other folders, nor the end; it goes on by itself', { timeout: TIMEOUT_MS, skip: unable !== null }, async (t) => {
  const device = new Device(t, await createWorld(t), 'a')
  const far = device.beside('far')
  const status = async (path: string): Promise<FolderStatus | undefined> => (await device.call('status.get', {})).folders.find((folder) => folder.path === path)
  const halted = async (): Promise<FolderStatus> =>
    await waitFor('it says so', async () => {
      const folder = await status(far)
      return folder?.state === 'halted' && folder
    }, STEP_MS)
  await device.start()
  await device.add()
  await device.write('one.txt', 'one')
  await mkdir(far)
  await writeFile(device.beside('far', 'x'), 'x')
  await device.add(far)
  await waitFor('both are read', async () => (await status(far))?.files === 1 && (await status(device.path()))?.files === 1, STEP_MS)
  await device.stop()

  const end = hang(far)
  if (end === null) {
    t.comment('SKIPPED: cannot mount a FUSE file system here')
    return t.pass()
  }
  // Nothing may touch it, the end of this test neither.
  try {
    await device.start()
    const { reason } = await halted()
    t.is(reason?.code, 'root-unreadable', reason?.message)
    await device.write('two.txt', 'two')
    await waitFor('another folder goes on', async () => (await status(device.path()))?.files === 2, STEP_MS)
    await device.stop()
    t.pass('it ends in order')
    await device.start()
    await halted()
  } finally {
    end()
  }
  await writeFile(device.beside('far', 'y'), 'y')
  await waitFor('it goes on by itself', async () => (await status(far))?.files === 2, STEP_MS)
})
