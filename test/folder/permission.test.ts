/** Whether a folder may act. */
import test from 'brittle'
import { Permission } from '../../daemon/folder/permission.ts'
import type { RootState } from '../../daemon/ports.ts'

const READY: RootState = { kind: 'ready', epoch: 7 }
const GONE: RootState = { kind: 'halted', code: 'root-missing', message: 'the root is gone' }
const CLONED = { code: 'cloned', message: 'this device is a copy' }

const rootThatIs = (state: RootState, meanwhile = (): void => undefined) => ({
  inspect: async () => {
    meanwhile()
    return state
  }
})

test('a root that is gone halts, and when it is back that is told once', async (t) => {
  const permission = new Permission(false, null)
  t.is(await permission.look(rootThatIs(READY)), 'ready')
  t.is(await permission.look(rootThatIs(GONE)), 'halted')
  t.is(permission.halted?.code, 'root-missing')
  t.is(await permission.look(rootThatIs(READY)), 'back')
  t.is(await permission.look(rootThatIs(READY)), 'ready')
  t.alike([permission.refused, permission.epoch], [false, 7])
})

test('what halts from outside stays until it is let go, whatever the root', async (t) => {
  const permission = new Permission(false, CLONED)
  t.is(await permission.look(rootThatIs(READY)), 'held')
  permission.forgetRoot()
  t.alike(permission.halted, CLONED)
  permission.hold(null)
  t.ok(permission.refused, 'until the root was looked at')
  t.is(await permission.look(rootThatIs(READY)), 'back')
  t.absent(permission.refused)
})

test('R30: a halt from outside while the root is looked at is not lost', async (t) => {
  const permission = new Permission(false, null)
  t.is(await permission.look(rootThatIs(READY, () => permission.hold(CLONED))), 'held')
  t.alike(permission.halted, CLONED)
})
