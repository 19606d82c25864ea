/**
 * The promise of the pure core, on random histories of 2 to 4 devices: whatever users do, in whatever order devices hear of one
 * another and however much of a plan they get done, in the end all have one tree, nothing moves any more, and no content is gone
 * that no user gave up. On failure fast-check prints the seed and the shrunk history.
 */
import test from 'brittle'
import fc from 'fast-check'
import { contentKey, hasBytes, isLive } from '../../daemon/sync/entry-compare.ts'
import type { LocalNode } from '../../daemon/sync/diff.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { comparePaths } from '../../daemon/sync/path.ts'
import { converge, Device, fileNode, Ledger, placeOf, treeText } from './model.ts'

const RUNS = Number(process.env.P2PSYNC_MODEL_RUNS ?? 400)

const POOL = ['a', 'd', 'd/a', 'd/e', 'd/e/a'] as PathKey[]
const MODES = [0o644, 0o600, 0o755, 0o711]

type Command = { readonly op: string; readonly at: number; readonly p: number; readonly q: number; readonly x: number; readonly y: number }

const command: fc.Arbitrary<Command> = fc.record({
  op: fc.constantFrom('write', 'write', 'write', 'edit', 'edit', 'link', 'mkdir', 'remove', 'remove', 'move', 'chmod', 'touch', 'hear', 'hear', 'some', 'some', 'settle', 'settle', 'sync', 'sync', 'sync', 'part', 'part', 'crash', 'copy', 'copy', 'forget'),
  at: fc.nat(3),
  p: fc.nat(30),
  q: fc.nat(30),
  x: fc.nat(7),
  y: fc.nat(1000)
})

const history = fc.record({ devices: fc.integer({ min: 2, max: 4 }), commands: fc.array(command, { minLength: 4, maxLength: 60 }) })

function run(device: Device, devices: readonly Device[], step: Command, n: number): void {
  const existing = [...device.disk.keys()].sort(comparePaths)
  const some = existing[step.p % Math.max(1, existing.length)]
  const pooled = POOL[step.q % POOL.length] as PathKey
  const mtime = `${(step.y % 6) * 1000}`
  const mode = MODES[step.x % MODES.length] as number
  const content = step.x < 3 ? `same${step.x}` : `only${n}`
  switch (step.op) {
    case 'write':
      return device.put(pooled, fileNode(content, mode, mtime))
    case 'edit':
      return some === undefined ? undefined : device.put(some, fileNode(content, mode, mtime))
    case 'link':
      return device.put(step.y % 2 === 0 ? pooled : (some ?? pooled), { kind: 'symlink', target: content, mtime })
    case 'mkdir':
      return device.put(step.y % 2 === 0 ? pooled : (some ?? pooled), { kind: 'directory', mode })
    case 'remove':
      return some === undefined ? undefined : device.remove(some)
    case 'move':
      return some === undefined ? undefined : device.move(some, step.y % 2 === 0 ? pooled : (existing[step.q % existing.length] ?? pooled))
    case 'copy':
      return copy(device, some, step.y % 2 === 0 ? pooled : (existing[step.q % Math.max(1, existing.length)] ?? pooled))
    case 'chmod':
      return some === undefined ? undefined : device.retouch(some, { mode })
    case 'touch':
      return some === undefined ? undefined : device.retouch(some, { mtime })
    case 'hear': {
      const other = devices[step.p % devices.length] as Device
      return other === device ? undefined : device.hear(other)
    }
    case 'sync':
      for (const other of devices) if (other !== device) device.hear(other)
      return void device.settle()
    case 'some': {
      const other = devices[step.p % devices.length] as Device
      return other === device ? undefined : device.hearSome(other, (i) => ((step.y >> i % 10) & 1) === 1)
    }
    case 'forget':
      return device.forget(n)
    case 'settle':
      return void device.settle()
    case 'part':
      return void device.settle((i) => ((step.y >> i % 10) & 1) === 1)
    case 'crash':
      return void device.settle((i) => (i === step.x ? 'crash' : false))
  }
}

function copy(device: Device, from: PathKey | undefined, to: PathKey): void {
  const node: LocalNode | undefined = from === undefined ? undefined : device.disk.get(from)
  if (node === undefined || node.kind === 'directory' || from === to || from?.startsWith(`${to}/`) || to.startsWith(`${from}/`)) return
  device.put(to, node)
}

function check(devices: readonly Device[], ledger: Ledger): void {
  converge(devices)
  const [first, ...others] = devices as [Device, ...Device[]]
  for (const other of others) {
    if (treeText(other.own) !== treeText(first.own)) throw new Error(`trees differ:\n${treeText(first.own, true)}\n----\n${treeText(other.own, true)}`)
    if (treeText(other.own, true) !== treeText(first.own, true)) throw new Error('statements differ')
  }
  const live = new Set([...first.own].filter(([, entry]) => isLive(entry) && hasBytes(entry)).map(([path, entry]) => placeOf({ path, content: contentKey(entry) })))
  const lost = ledger.lost(live)
  if (lost.length > 0) throw new Error(`lost: ${lost.join(', ')}\n${treeText(first.own, true)}`)
}

test('any history converges on one tree, comes to rest, and loses nothing', (t) => {
  fc.assert(
    fc.property(history, ({ devices: count, commands }) => {
      const ledger = new Ledger()
      const devices = Array.from({ length: count }, (_, i) => new Device(i, ledger))
      commands.forEach((step, n) => run(devices[step.at % count] as Device, devices, step, n))
      check(devices, ledger)
    }),
    { numRuns: RUNS }
  )
  t.pass(`${RUNS} histories`)
})
