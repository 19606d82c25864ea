/** A peer (or a program) writes rules that take for ever to be held against one path. */
import { mkdir, writeFile } from 'node:fs/promises'
import test from 'brittle'
import { createDevices, type Device } from './harness.ts'

test('rules that are slow to match do not stop the daemon from answering', { timeout: 120_000 }, async (t) => {
  const [a] = (await createDevices(t, ['a'])) as [Device]
  await mkdir(a.path('a/'.repeat(250)), { recursive: true })
  await writeFile(a.path('.p2psyncignore'), '/**/a/**/a/**/a/**/a/**/a/b\n')
  const added = await Promise.race([a.add().then(() => 'added'), new Promise((resolve) => setTimeout(resolve, 20_000, 'no answer'))])
  await new Promise((resolve) => setTimeout(resolve, 5000))
  const answer = await Promise.race([a.call('daemon.status', {}).then(() => 'answers'), new Promise((resolve) => setTimeout(resolve, 20_000, 'no answer'))])
  t.is(`${String(added)}, ${String(answer)}`, 'added, answers')
  await a.kill9()
})
