/** The daemon's side of rpc/schema.ts: each method to the part that answers it. */
import type { App } from '../app.ts'
import type { Handlers } from '../../rpc/schema.ts'
import { checkHandlers } from './check.ts'
import { daemonHandlers } from './daemon.ts'
import { decisionHandlers } from './decisions.ts'
import { deviceHandlers } from './devices.ts'
import { doctorHandlers } from './doctor.ts'
import { folderHandlers } from './folders.ts'
import { historyHandlers } from './history.ts'
import { inviteHandlers } from './invites.ts'
import { pathHandlers } from './paths.ts'
import { statusHandlers } from './status.ts'
import { syncHandlers } from './sync.ts'

export function createHandlers(daemon: App): Handlers {
  return {
    ...daemonHandlers(daemon),
    ...doctorHandlers(daemon),
    ...inTurn(daemon, {
      ...statusHandlers(daemon),
      ...folderHandlers(daemon),
      ...syncHandlers(daemon),
      ...checkHandlers(daemon),
      ...pathHandlers(daemon),
      ...historyHandlers(daemon),
      ...decisionHandlers(daemon)
    }),
    ...deviceHandlers(daemon),
    ...inviteHandlers(daemon)
  }
}

/** A folder that is closed and opened again, for a new drive, is gone for a moment: nobody should be told of that. */
function inTurn<Methods extends Partial<Handlers>>(daemon: App, handlers: Methods): Methods {
  const waiting = Object.entries(handlers).map(([name, handler]) => [
    name,
    async (...args: unknown[]) => {
      await daemon.foldersStand()
      return await (handler as (...values: unknown[]) => Promise<unknown>)(...args)
    }
  ])
  // SAFETY: the same names, each with a function of the same parameters and result.
  return Object.fromEntries(waiting) as Methods
}
