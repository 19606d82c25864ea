/** Rules come from other devices as any file does: none may hold up the daemon. */
import test from 'brittle'
import { createIgnore } from '../../daemon/sync/ignore.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'

test('a rule with several ** is held against a deep path at once', { timeout: 60_000 }, (t) => {
  const path = ('a/'.repeat(250) + 'a') as PathKey
  for (const pattern of ['/**/a/**/a/**/a/b', 'x/**/**/**/b', '/**/*a/**/*a/**/*a/b']) {
    const started = performance.now()
    createIgnore([`${pattern}\n`]).ignored(pattern.startsWith('x') ? (`x/${path}` as PathKey) : path, false)
    const ms = Math.round(performance.now() - started)
    t.ok(ms < 500, `${pattern}: ${ms} ms`)
  }
})
