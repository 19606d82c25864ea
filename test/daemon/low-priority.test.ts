/** The daemon takes what the user's programs leave of the processors, with all of its threads. */
import test, { type Assert } from 'brittle'
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { NICENESS } from '../../daemon/low-priority.ts'
import { createWorld, Device } from '../e2e/harness.ts'

const AUTOGROUP = '/proc/sys/kernel/sched_autogroup_enabled'
const linux = process.platform === 'linux'

/** Of each thread of the process. */
function niceness(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => getPriority(Number(thread)))
}

async function daemon(t: Assert, command: readonly string[]): Promise<Device> {
  const device = new Device(t, await createWorld(t), 'a', {}, command)
  await device.start()
  return device
}

test('all threads of a daemon give way to the programs of its user', async (t) => {
  if (!linux || getPriority() !== 0) return t.comment('skipped: not Linux, or not of the usual priority')
  const device = await daemon(t, [process.execPath])
  const found = niceness(device.pid)
  t.ok(found.length > 4, `${found.length} threads`)
  t.ok(found.every((nice) => nice >= NICENESS), found.join(' '))
})

test('a priority that its user chose is left', async (t) => {
  if (!linux || getPriority() !== 0) return t.comment('skipped: not Linux, or not of the usual priority')
  const device = await daemon(t, ['nice', '-n', '3', process.execPath])
  const found = niceness(device.pid)
  t.ok(found.length > 4 && found.every((nice) => nice === 3), found.join(' '))
})

test('where sessions share the processors, the one of a daemon in the background gives way too, and no other one', async (t) => {
  if (!linux || getPriority() !== 0 || !hasAutogroup()) return t.comment('skipped: sessions do not share the processors here')
  const module = new URL('../../daemon/low-priority.js', import.meta.url).href
  const script = `
    const { giveWay } = await import(${JSON.stringify(module)})
    const { readFileSync } = await import('node:fs')
    console.log(String(giveWay()), readFileSync('/proc/self/autogroup', 'utf8').trim().split(' ').at(-1))`
  const words = ['--input-type=module', '-e', script]
  const own = readFileSync('/proc/self/autogroup', 'utf8')
  t.is(spawnSync(process.execPath, words, { encoding: 'utf8' }).stdout.trim(), `true ${own.trim().split(' ').at(-1)}`, 'a part of this session')
  t.is(readFileSync('/proc/self/autogroup', 'utf8'), own, 'this session as before')
  const child = spawn(process.execPath, words, { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  let printed = ''
  for await (const part of child.stdout) printed += String(part)
  t.is(printed.trim(), `true ${NICENESS}`, 'a session of its own')
})

function hasAutogroup(): boolean {
  try {
    return readFileSync(AUTOGROUP, 'utf8').trim() === '1'
  } catch {
    return false
  }
}
