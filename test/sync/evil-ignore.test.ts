/** Rules come from other devices as any file does: none may hold up the daemon. */
import test from 'brittle'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { createIgnore } from '../../daemon/sync/ignore.ts'

const AT_ONCE_MS = 1000
const DEEP = `${'a/'.repeat(250)}a`
const LONG = 'a'.repeat(250)

test('no rule takes long to be held against a path', { timeout: 60_000 }, (t) => {
  const cases = [
    ['/**/a/**/a/**/a/b', DEEP], ['x/**/**/**/b', `x/${DEEP}`], ['/**/*a/**/*a/**/*a/b', DEEP], ['!/**/a/**/a/**/a/b', DEEP],
    ['**/a/**/a/b', DEEP], ['*a*a*a*a*a*a*b', LONG], ['**/*a*a*a*b', LONG], ['*a**a*a*b', LONG]
  ] as const
  for (const [pattern, path] of cases) {
    const started = performance.now()
    const isIgnored = createIgnore([`${pattern}\n`]).ignored(path as PathKey, false)
    const ms = Math.round(performance.now() - started)
    t.ok(!isIgnored && ms < AT_ONCE_MS, `${pattern}: ${ms} ms`)
  }
})

test('a rule with two ** and a name with four * are held against paths; one with more ignores nothing, and the next line counts', (t) => {
  const rules = createIgnore(['**/a/**/b\n*w*x*y*z\n/**/c/**/c/**/c/d\n*.tmp\n'])
  t.ok(rules.ignored('1/a/2/3/b' as PathKey, false))
  t.ok(rules.ignored('1w2x3y4z' as PathKey, false))
  t.absent(rules.ignored('c/c/c/d' as PathKey, false))
  t.is(rules.explain('f.tmp' as PathKey, false)?.line, 4)
  t.ok(createIgnore(['**/a/**\n']).ignored('1/a/2' as PathKey, false), 'one at the end counts with what is before it')
})
