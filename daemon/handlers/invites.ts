/** `invites.*`: pairing, and what a join means for the folders that are here already (R24). */
import { P2psyncError } from '../../base/errors.ts'
import type { Handlers } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import { deviceInfos } from './devices.ts'

type Part = Pick<Handlers, 'invites.create' | 'invites.join'>

const DEFAULT_EXPIRY_MS = 10 * 60 * 1000
const DEFAULT_JOIN_TIMEOUT_MS = 60_000

export function inviteHandlers(daemon: App): Part {
  return {
    'invites.create': async ({ expiresMs }) => {
      const { code, expiresAt } = await daemon.pairing.createInvite({ expiresMs: expiresMs ?? DEFAULT_EXPIRY_MS })
      return { invite: code, expiresAt: new Date(expiresAt).toISOString() }
    },
    'invites.join': async ({ code, timeoutMs, leave }, { signal }) => {
      // A code that cannot be right must not cost the group that this device is in.
      daemon.pairing.expectUsable(code)
      const others = daemon.group.members().filter((member) => member.id !== daemon.group.self.id)
      // The key of a removed device is dead (R20).
      if (daemon.group.removedSelf) await daemon.startOver()
      else if (others.length > 0) {
        expectLeave(others.map((member) => member.name), leave === true)
        await daemon.pairing.probe(code, { timeoutMs: timeoutMs ?? DEFAULT_JOIN_TIMEOUT_MS, signal })
        await daemon.startOver()
      }
      await daemon.pairing.join(code, { timeoutMs: timeoutMs ?? DEFAULT_JOIN_TIMEOUT_MS, signal })
      await daemon.carryOutBindings()
      return { device: { id: daemon.group.self.id, name: daemon.group.self.name }, devices: deviceInfos(daemon) }
    }
  }
}

function expectLeave(others: readonly string[], leave: boolean): void {
  if (leave) return
  throw new P2psyncError('GROUP_NOT_ALONE', `this device is in a group with ${others.join(', ')} already; if that is not the group of the code, join with --leave to leave it`)
}
