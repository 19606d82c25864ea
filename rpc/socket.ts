/** The Unix socket: made 0600 in a 0700 directory of this user; one that a dead daemon left is removed, a live one never. */
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import { MAX_SOCKET_PATH_BYTES } from '../base/paths.ts'

/** Throws SOCKET_PATH_TOO_LONG, PATH_DENIED or ALREADY_RUNNING. */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new P2psyncError('SOCKET_PATH_TOO_LONG', `the socket path ${path} is longer than the ${MAX_SOCKET_PATH_BYTES} bytes that the system allows; choose a shorter P2PSYNC_HOME`)
  }
  privateDirectory(dirname(path))
  await removeStale(path)
  await listen(server, path)
  chmodSync(path, 0o600)
}

/** An existing directory must be ours; its mode is tightened (it may be P2PSYNC_HOME, made by the user). */
function privateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const stat = lstatSync(path)
    const uid = process.getuid?.() ?? stat.uid
    if (!stat.isDirectory() || stat.uid !== uid) throw new P2psyncError('PATH_DENIED', `${path} must be a directory of your own, for the socket of the daemon`)
    if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700)
  } catch (error) {
    if (error instanceof P2psyncError) throw error
    throw new P2psyncError('PATH_DENIED', `cannot make the directory ${path} for the daemon's socket: ${messageOf(error)}`, { cause: error })
  }
}

async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket()) throw new P2psyncError('PATH_RESERVED', `${path} is in the way of the daemon's socket and is not a socket; move it away`)
  if (await answers(path)) throw new P2psyncError('ALREADY_RUNNING', `a daemon is running already on ${path}`)
  unlinkSync(path)
}

/** RACE: two daemons that both find a dead socket: the second unlinks the first one's. The daemon's lock, taken before, excludes it. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => {
      const code = errnoOf(error)
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false)
      else reject(new P2psyncError('PATH_DENIED', `cannot use the socket ${path}: ${messageOf(error)}`, { cause: error }))
    })
  })
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Between bind and chmod the directory protects the socket; the umask does as well where the directory was there before.
    const before = process.umask(0o077)
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
    process.umask(before)
  })
}
