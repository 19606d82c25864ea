/** How the planted bugs judge what a test printed. */
import test from 'brittle'
import { NamedResult } from './named-result.ts'

test('a test is judged by its own line, whole, and by no other that begins as it does', (t) => {
  const result = new NamedResult('a name')
  result.take('ok 1 - a name # 2 # time = 3ms\nok 2 - a name, longer # time = 3ms\nnot ok 3 - a na')
  t.is(result.verdict, 'unreached')
  result.take('me # time = 4')
  t.is(result.verdict, 'unreached')
  result.take('ms\nok 4 - a name # time = 1ms\n')
  t.is(result.verdict, 'failed')
})

test('an assertion and a comment with the name say nothing', (t) => {
  const result = new NamedResult('a name')
  result.take('# a name\n    not ok 1 - a name # time = 1ms\n')
  t.is(result.verdict, 'unreached')
})

test('a bad end in the middle of the test is a failure, before it and by a signal it is none', (t) => {
  const ended = (output: string, code: number | null): string => {
    const result = new NamedResult('a name')
    result.take(output)
    return result.ended(code)
  }
  t.is(ended('# before\nok 1 - before # time = 1ms\n\n# a name\n    ok 1 - fine\n', 1), 'failed')
  t.is(ended('# before\nok 1 - before # time = 1ms\n\n# a name\n    ok 1 - fine\n', 0), 'unreached')
  t.is(ended('# before\nok 1 - before # time = 1ms\n\n# a name\n    ok 1 - fine\n', null), 'unreached')
  t.is(ended('# before\n    ok 1 - fine\n', 1), 'unreached')
})
