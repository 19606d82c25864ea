/** A member says in a signed record that the drive of another device is its own. */
import { join } from 'node:path'
import test from 'brittle'
import { Group } from '../../daemon/net/group.ts'
import { signRecord } from '../../daemon/net/records.ts'
import { testLog } from '../net/helpers.ts'
import { createPair, waitConnected } from './harness.ts'
import { waitEqual, waitFor } from './tree.ts'

const TIMEOUT = { timeout: 280_000 }

test('a drive that a member wrongly calls its own: whose it is goes on, also after a restart', TIMEOUT, async (t) => {
  const [a, b] = await createPair(t)
  await a.write('one.txt', 'one')
  await waitEqual([a.path(), b.path()], 40_000, () => b.read('one.txt').then(() => true, () => false))
  const victim = await a.id()
  await b.stop()
  const evil = await Group.open({ stateDir: join(b.home, 'state'), deviceName: 'b', log: testLog })
  const folder = evil.folders()[0]
  const drive = folder?.drives.find((row) => row.device === victim)
  if (folder === undefined || drive === undefined) throw new Error('no drive of a')
  const record = signRecord(evil.groupId, { kind: 'drive', folder: folder.id, generation: 99, driveKey: drive.driveKey, keyId: drive.keyId, writer: drive.writer, starts: [], author: evil.self.id, seq: 1000 }, evil.self.keyPair.secretKey)
  await evil.merge([record])
  const failed: string[] = []
  a.onLog = (text) => failed.push(...text.split('\n').filter((line) => /could not|failed|not another|takes over|retired|level":"(error|warn)|WARN|ERROR/i.test(line)))
  await b.start()
  await waitConnected(a, b)
  await new Promise((resolve) => setTimeout(resolve, 5000))
  const { readFileSync } = await import('node:fs')
  console.log('# a knows the claim:', readFileSync(join(a.home, 'state', 'keys', 'group.json'), 'utf8').includes('generation\\\":99,'))
  const show = async (when: string): Promise<void> => {
    const status = await a.call('status.get', {})
    console.log('#', when, JSON.stringify(status.folders.map(({ name, state, reason }) => ({ name, state, reason }))))
  }
  await show('after the claim')
  await a.restart().catch((error: unknown) => console.log('# restart:', String(error).slice(0, 600)))
  await new Promise((resolve) => setTimeout(resolve, 3000))
  await show('after a restart of a').catch((error: unknown) => console.log('#', String(error)))
  for (const line of failed.slice(0, 8)) console.log('#', line.slice(0, 400))
  await a.write('two.txt', 'two')
  await waitFor('a is idle with its folder', async () => (await a.call('status.get', {})).folders[0]?.state === 'idle', 40_000)
  t.pass('the folder of a goes on')
})
