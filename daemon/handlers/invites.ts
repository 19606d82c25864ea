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
      const others = daemon.group.members().length - 1
      // The key of a removed device is dead (R20).
      if (daemon.group.removedSelf) await daemon.startOver()
      else if (others > 0) await leaveFirst(daemon, others, leave === true)
      await daemon.pairing.join(code, { timeoutMs: timeoutMs ?? DEFAULT_JOIN_TIMEOUT_MS, signal })
      await daemon.carryOutBindings()
      return { device: { id: daemon.group.self.id, name: daemon.nameOf(daemon.group.self.id) }, devices: deviceInfos(daemon) }
    }
  }
}

async function leaveFirst(daemon: App, others: number, leave: boolean): Promise<void> {
  if (leave) return await daemon.startOver()
  throw new P2psyncError('GROUP_NOT_ALONE', `this device is in a group with ${others === 1 ? 'another device' : `${others} other devices`}; to leave that group for the new one, join with --leave`)
}
