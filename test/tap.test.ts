/** The runner's own reading of results. */
import test from 'brittle'
import { readFailures, readTap } from './tap.ts'

test('top-level tests are counted, assertions are not', (t) => {
  const tap = readTap('TAP version 13\n# a\n    ok 1 - x\n    not ok 2 - y\nnot ok 1 - a # time = 1ms\n# b\nok 2 - b\n\n1..2\n')
  t.alike(tap, { passed: 1, failed: 1, skipped: [], complete: true })
})

test('skipped and later tests are neither passed nor failed', (t) => {
  const tap = readTap('ok 1 - s # SKIP\nok 2 - later # TODO\nok 3 - good # time = 1ms\n1..3\n')
  t.alike(tap, { passed: 1, failed: 0, skipped: ['s', 'later'], complete: true })
})

test('a missing plan or one that disagrees is incomplete', (t) => {
  t.is(readTap('ok 1 - a\n').complete, false)
  t.is(readTap('ok 1 - a\n1..2\n').complete, false)
  t.is(readTap('').complete, false)
})

test('a failure in short: its test, its line, what it says of itself', (t) => {
  const output = '# a\n    ok 1 - x\n    not ok 2 - y\n      ---\n      actual: 1\n      expected: 2\n      ...\n    not ok 3 - z\nnot ok 1 - a # time = 1ms\n# b\nok 2 - b\n1..2\n'
  t.alike(readFailures(output), [['# a', '    not ok 2 - y', '      ---', '      actual: 1', '      expected: 2'], ['# a', '    not ok 3 - z']])
  t.ok(readFailures(`# a\n    not ok 1 - y\n      ---\n${'      line\n'.repeat(100)}`)[0]?.length === 40, 'never longer than 40 lines')
})

test('a file that broke off shows its end', (t) => {
  t.alike(readFailures('# a\n    ok 1 - x\nfile:1\n\nError: boom\n'), [['# a', '# a', '    ok 1 - x', 'file:1', '', 'Error: boom']])
})
