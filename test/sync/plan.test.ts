/** R8, R9 and R34: what the disk must do, and in which order. */
import test from 'brittle'
import { conflictPath, copyEntry } from '../../daemon/sync/conflict.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { plan } from '../../daemon/sync/plan.ts'
import type { Action, Resolution, Step } from '../../daemon/sync/reconcile.ts'
import { directory, file, path, resolveAll, symlink, tombstone, type Statements } from './build.ts'

function stepsOf(statements: Statements, dirty: readonly string[]): readonly Step[] {
  return plan(resolveAll(statements, dirty))
}

function actionsOf(statements: Statements, dirty: readonly string[] = Object.keys(statements)): Record<string, Action> {
  return Object.fromEntries(stepsOf(statements, dirty).map(({ resolution, action }) => [resolution.path, action]))
}

function orderOf(statements: Statements, dirty: readonly string[] = Object.keys(statements)): string[] {
  return stepsOf(statements, dirty).map((step) => step.resolution.path)
}

test('what another path gives up by ending is moved from there', (t) => {
  const actions = actionsOf({
    old: [file('X', 'a1'), tombstone('a1 b1')],
    new: [null, file('X', 'b2')],
    'd/one': [file('Y', 'a2'), tombstone('a2 b3')],
    'd/two': [file('Y', 'a3'), tombstone('a3 b4')],
    e: [null, directory('b5')],
    'e/one': [null, file('Y', 'b6', { mode: 0o600 })],
    'e/two': [file('Z', 'a4'), file('Y', 'a4 b7')],
    more: [null, file('Y', 'b8')],
    stays: [file('S', 'a5'), file('S', 'a5')],
    copied: [null, file('S', 'b9')],
    lold: [symlink('x', 'a6'), tombstone('a6 b10')],
    lnew: [null, symlink('x', 'b11')]
  })
  t.alike(actions['new'], { kind: 'move', from: path('old') })
  t.alike([actions['e/one'], actions['e/two'], actions['more']].map((action) => action?.kind).sort(), ['move', 'move', 'write'], 'each gives once')
  t.alike([actions['e/one'], actions['e/two']], [{ kind: 'move', from: path('d/one') }, { kind: 'move', from: path('d/two') }], 'equal contents keep their names')
  t.alike([actions['copied'], actions['old'], actions['lnew']], [{ kind: 'write' }, { kind: 'remove' }, { kind: 'move', from: path('lold') }])
})

test('nothing is moved from below its own new place, nor a content that loses a conflict', (t) => {
  t.alike(actionsOf({ d: [directory('a1'), file('X', 'a1 b1')], 'd/f': [file('X', 'a2'), tombstone('a2 b2')] })['d'], { kind: 'write' })
  const actions = actionsOf({ a: [file('X', 'a1'), file('Y', 'b1', { mtime: 9 })], b: [null, file('X', 'b2')] })
  t.alike(actions['b'], { kind: 'write' })
})

test('one action per difference', (t) => {
  const actions = actionsOf({
    same: [file('X', 'a1'), file('X', 'a1 b1', { by: 'a1', mdot: 'a1' })],
    mode: [file('X', 'a1'), file('X', 'a1 b1', { by: 'a1', mode: 0o600 })],
    mtime: [file('X', 'a1'), file('X', 'a1 b1', { by: 'a1', mtime: 7 })],
    both: [file('X', 'a1'), file('X', 'a1 b1', { by: 'a1', mtime: 7, mode: 0o600 })],
    dirmode: [directory('a1'), directory('a1 b1', { by: 'a1', mode: 0o700 })],
    link: [null, symlink('x', 'b1')],
    linktime: [symlink('x', 'a1'), symlink('x', 'a1 b1', { by: 'a1', mtime: 7 })],
    relink: [symlink('x', 'a1'), symlink('y', 'a1 b1')],
    edit: [file('X', 'a1'), file('Y', 'a1 b1')],
    fresh: [null, file('Y', 'b1')],
    mkdir: [null, directory('b1')],
    todir: [file('X', 'a1'), directory('a1 b1')],
    tofile: [directory('a1'), file('X', 'a1 b1')],
    gone: [file('W', 'a1'), tombstone('a1 b1')],
    nothing: [null, tombstone('b1')],
    still: [tombstone('a1'), tombstone('a1 b1')],
    back: [tombstone('a1'), file('X', 'a1 b1')]
  })
  t.alike(actions, {
    same: { kind: 'adopt' },
    mode: { kind: 'attributes', mode: 0o600, mtime: null },
    mtime: { kind: 'attributes', mode: null, mtime: '7000' },
    both: { kind: 'attributes', mode: 0o600, mtime: '7000' },
    dirmode: { kind: 'attributes', mode: 0o700, mtime: null },
    link: { kind: 'symlink' },
    linktime: { kind: 'attributes', mode: null, mtime: '7000' },
    relink: { kind: 'symlink' },
    edit: { kind: 'write' },
    fresh: { kind: 'write' },
    mkdir: { kind: 'directory' },
    todir: { kind: 'directory' },
    tofile: { kind: 'write' },
    gone: { kind: 'remove' },
    nothing: { kind: 'adopt' },
    still: { kind: 'adopt' },
    back: { kind: 'write' }
  })
})

test('directories come before what is live in them', (t) => {
  t.alike(orderOf({ 'd/e/x': [null, file('X', 'b3')], 'd/e': [null, directory('b2')], d: [null, directory('b1')] }), ['d', 'd/e', 'd/e/x'])
})

test('what lies in a directory goes before it ends', (t) => {
  const statements: Statements = {
    d: [directory('a1'), file('F', 'a1 b4')],
    'd/e': [directory('a2'), tombstone('a2 b3')],
    'd/e/x': [file('X', 'a3'), tombstone('a3 b2')]
  }
  t.alike(orderOf(statements), ['d/e/x', 'd/e', 'd'])
  t.alike(stepsOf(statements, ['d']).map((step) => step.after.map(String)), [[], ['d/e/x'], ['d/e']])
})

test('R8: our losing version is given the conflict name before the winner takes its place', (t) => {
  const mine = file('X', 'a1', { mtime: 1 })
  const copy = conflictPath(path('f'), mine)
  const steps = stepsOf({ f: [mine, file('Y', 'b1', { mtime: 2 })] }, ['f'])
  t.alike(steps.map(({ resolution, action, after }) => [resolution.path, action, after]), [
    [copy, { kind: 'preserve', from: path('f') }, []],
    [path('f'), { kind: 'write' }, [copy]]
  ])
})

test('R8: the bytes of a losing version that is not ours are fetched', (t) => {
  const theirs = file('X', 'a1', { mtime: 1 })
  t.alike(actionsOf({ f: [file('Y', 'b1', { mtime: 2 }), theirs] }), { [conflictPath(path('f'), theirs)]: { kind: 'write' }, f: { kind: 'adopt' } })
})

test('a copy that stands already, or needs other attributes than ours, is no second link', (t) => {
  const mine = file('X', 'a1', { mtime: 1 })
  const winner = file('Y', 'a1 b1', { by: 'b1', mtime: 2 })
  const copy = conflictPath(path('f'), mine)
  const other = { ...copyEntry(mine), mtime: '9000' }
  t.is(actionsOf({ f: [mine, winner], [copy]: [null, other] })[copy]?.kind, 'write')
  t.is(actionsOf({ f: [mine, winner], [copy]: [file('Z', 'a2'), { ...other, vv: { ...other.vv, a: 2 } }] })[copy]?.kind, 'write')
})

test('R9: a file gives way to a directory after its copy stands and before what comes below', (t) => {
  const put = file('F', 'a1')
  const copy = conflictPath(path('d'), put)
  t.alike(orderOf({ d: [put, directory('b1')], 'd/x': [null, file('X', 'b2')] }), [copy, 'd', 'd/x'])
})

test('a directory that closes does so after what changes in it; one that opens, before', (t) => {
  const inside: Statements = { 'd/x': [file('X', 'a2'), file('Y', 'a2 b2')] }
  t.alike(orderOf({ d: [directory('a1'), directory('a1 b1', { by: 'a1', mode: 0o555 })], ...inside }), ['d/x', 'd'])
  t.alike(orderOf({ d: [directory('a1', { mode: 0o555 }), directory('a1 b1', { by: 'a1', mode: 0o755 })], ...inside }), ['d', 'd/x'])
})

test('copies that ask to come before one another do not wait for ever', (t) => {
  const p = path('f.sync-conflict-aaaaaaaaaa')
  const q = path('f.sync-conflict-bbbbbbbbbb')
  const make = (at: PathKey, other: PathKey): Resolution => ({ path: at, own: file('X', 'a1'), target: file('Y', 'a1 b1'), copies: [other], copyOf: null, toHistory: [] })
  const steps = plan(new Map([[p, make(p, q)], [q, make(q, p)]]))
  t.alike(steps.map((step) => [step.resolution.path, step.after]), [[q, []], [p, [q]]])
})

test('a long line of directories does not overflow the stack', (t) => {
  const statements: Record<string, [null, ReturnType<typeof directory>]> = {}
  for (let i = 0, at = 'd'; i < 1500; i++, at += '/d') statements[at] = [null, directory('b1')]
  t.is(orderOf(statements).length, 1500)
})
