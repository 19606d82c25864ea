/** What is hot for a moment only is not optimized, what is hot for long is. V8 since Node 22 counts calls and knows no budget. */
import test from 'brittle'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { hasBudget } from '../../daemon/tiering.ts'

const tiering = fileURLToPath(new URL('../../daemon/tiering.js', import.meta.url))

/** How often V8 optimized a function that is called so often. */
function optimizations(calls: number, later: boolean): number {
  const script = `
    ${later ? `(await import(${JSON.stringify(tiering)})).optimizeLater()` : ''}
    function measured(n) { let sum = 0; for (let i = 0; i < 10; i++) sum += (n ^ i) % 7; return sum }
    let total = 0
    for (let i = 0; i < ${calls}; i++) { total += measured(i); if (i % 1000 === 0) await new Promise(setImmediate) }
    if (total < 0) throw new Error('unreachable')`
  const { stdout } = spawnSync(process.execPath, ['--trace-opt', '--input-type=module', '-e', script], { encoding: 'utf8' })
  return stdout.split('\n').filter((line) => /completed (optimizing|compiling)/.test(line) && line.includes('<JSFunction measured') && line.includes('TURBOFAN')).length
}

test('a function that is hot for a moment is not optimized', (t) => {
  if (!hasBudget) return t.comment('skipped: this V8 has no interrupt budget')
  t.ok(optimizations(3_000, false) > 0, 'V8 alone would')
  t.is(optimizations(3_000, true), 0)
})

test('a function that is hot for long is optimized', (t) => {
  if (!hasBudget) return t.comment('skipped: this V8 has no interrupt budget')
  t.ok(optimizations(300_000, true) > 0)
})

test('from then on a function has machine code at its first call', (t) => {
  const tier = (after: boolean): string => {
    const script = `
      ${after ? `(await import(${JSON.stringify(tiering)})).compileAtOnce()` : ''}
      const measured = new Function('n', 'return n + 1')
      measured(1)
      console.log(new Function('f', 'return %ActiveTierIsSparkplug(f)')(measured))`
    return spawnSync(process.execPath, ['--allow-natives-syntax', '--input-type=module', '-e', script], { encoding: 'utf8' }).stdout.trim()
  }
  t.alike([tier(false), tier(true)], ['false', 'true'])
})
