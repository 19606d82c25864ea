/** `p2psync version` */
import { version as ownVersion } from '../../base/version.ts'
import type { Command } from '../context.ts'

export const version: Command<[]> = async ({ out }) => {
  out.document({ version: ownVersion(), node: process.versions.node })
  out.line(`p2psync ${ownVersion()}`)
}
