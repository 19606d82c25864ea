/** `folders.resolve`, `folders.approve`, `folders.reject`: what only the user can decide. */
import type { Handlers } from '../../rpc/schema.ts'
import type { App } from '../app.ts'
import { hostOf, refOf } from './folders.ts'
import { locate } from './locate.ts'

type Part = Pick<Handlers, 'folders.resolve' | 'folders.approve' | 'folders.reject'>

export function decisionHandlers(daemon: App): Part {
  return {
    'folders.resolve': async ({ keep, ...where }, { signal }) => {
      const { host, path } = await locate(daemon, where)
      const { base, resolved } = await host.folder.user.resolve(path, keep, signal)
      return { folder: refOf(host), path: base, keep, copies: [...resolved] }
    },
    'folders.approve': async ({ folder }) => {
      const host = hostOf(daemon, folder)
      const decided = await host.folder.user.approve()
      return { folder: refOf(host), ...decided }
    },
    'folders.reject': async ({ folder }) => {
      const host = hostOf(daemon, folder)
      const decided = await host.folder.user.reject()
      return { folder: refOf(host), ...decided }
    }
  }
}
