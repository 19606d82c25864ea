/** Rules come from other devices as any file does: none may hold up the daemon. */
import test from 'brittle'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { createIgnore, faultyLines, patternFault } from '../../daemon/sync/ignore.ts'

const AT_ONCE_MS = 1000
const DEEP = `${'a/'.repeat(250)}a`
const LONG = 'a'.repeat(250)

test('no rule takes long to be held against a path', { timeout: 60_000 }, (t) => {
  const cases = [
    ['/**/a/**/a/**/a/b', DEEP], ['x/**/**/**/b', `x/${DEEP}`], ['/**/*a/**/*a/**/*a/b', DEEP], ['!/**/a/**/a/**/a/b', DEEP],
    ['/***/a/***/a/***/a/b', DEEP], ['!**/a/**/a/**/a/b', DEEP], ['**/a/**/a/b', DEEP], ['*a*a*a*a*a*a*b', LONG], ['**/*a*a*a*b', LONG], ['*a**a*a*b', LONG]
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

test('why a line ignores nothing is told; what is escaped is no star', (t) => {
  const rows = [
    ['*.tmp', null], ['', null], ['# * a * b * c * d * e *', null], ['a/**/b/**', null], ['**/a/**/b', null], ['*a*b*c*', null],
    ['\\*a\\*b\\*c\\*d\\*e', null], ['*a*b*c*d\\*', null], ['\\**\\**\\**\\**', null],
    ['**/**/**/a', 'directory-stars'], ['!**/a/**/a/**/b', 'directory-stars'], ['/***/a/***/a/***/b', 'directory-stars'],
    ['*a*b*c*d*', 'name-stars'], ['x/*a*b*c*d*/y', 'name-stars'], ['\\\\*a*b*c*d*', 'name-stars']
  ] as const
  for (const [pattern, fault] of rows) t.is(patternFault(pattern), fault, pattern)
  t.ok(createIgnore(['\\*a\\*b\\*c\\*d\\*e']).ignored('*a*b*c*d*e' as PathKey, false), 'a name of five stars, escaped')
  t.absent(createIgnore(['\\*a\\*b\\*c\\*d\\*e']).ignored('1a2b3c4d5e' as PathKey, false))
})

test('the lines that ignore nothing are named, a hundred at most', (t) => {
  const text = '\uFEFF*.o\r\n*a*b*c*d*e\r\n\n# *a*b*c*d*e\n/**/c/**/c/**/c/d'
  const faulty = [{ line: 2, pattern: '*a*b*c*d*e', fault: 'name-stars' as const }, { line: 5, pattern: '/**/c/**/c/**/c/d', fault: 'directory-stars' as const }]
  t.alike(faultyLines(text), faulty)
  t.alike(createIgnore(['*.o', text]).faulty, faulty.map((line) => ({ file: 1, ...line })))
  t.is(faultyLines('*a*b*c*d*e\n'.repeat(1000)).length, 100)
})
