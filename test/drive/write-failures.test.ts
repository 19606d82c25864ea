/** A database that cannot write says so once, at whatever the write was for, and is let go of. */
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'brittle'

/** Of 512 bytes, for each file. */
const LIMIT_BLOCKS = 400

test('a failed write of the database is told by the store, with the reason of the system, and the store can be opened again', async (t) => {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'fill-store.js')
  const { stdout, stderr } = spawnSync('sh', ['-c', `ulimit -f ${LIMIT_BLOCKS} && exec "$@"`, 'sh', process.execPath, script, await t.tmp()], { encoding: 'utf8' })
  const said = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { failures?: number; reason?: string; refused?: boolean; again?: boolean | string }
  t.is(said.failures, 1, stderr)
  t.ok(/File too large/.test(said.reason ?? ''), said.reason)
  t.is(said.refused, true, 'the append that met it is refused')
  t.is(said.again, true, 'it can be opened again')
})
