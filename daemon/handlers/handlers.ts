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
    ...statusHandlers(daemon),
    ...folderHandlers(daemon),
    ...syncHandlers(daemon),
    ...checkHandlers(daemon),
    ...pathHandlers(daemon),
    ...historyHandlers(daemon),
    ...decisionHandlers(daemon),
    ...deviceHandlers(daemon),
    ...inviteHandlers(daemon)
  }
}
