/** Where JSON-RPC and REST meet: parse the parameters, call the one handler, turn what is thrown into P2psyncError. */
import type { Log } from '../base/log.ts'
import { P2psyncError } from '../base/errors.ts'
import { invalidParams, toP2psyncError } from './errors.ts'
import type { CallContext, Handlers, Method } from './schema.ts'
import { methods } from './schema.ts'

/** Rejects with P2psyncError only. */
export type Dispatch = (method: Method, params: unknown, context: CallContext) => Promise<unknown>

export interface DispatchOptions {
  readonly handlers: Handlers
  readonly log: Log
  /** Also hold results against the contract; for tests, since a daemon's own results are not a boundary. */
  readonly checkResults: boolean
}

export function createDispatch(options: DispatchOptions): Dispatch {
  return async (method, params, context) => {
    try {
      return await call(options, method, params, context)
    } catch (error) {
      const ours = toP2psyncError(error)
      if (ours.code === 'INTERNAL') options.log.error({ method, error: ours.cause ?? ours }, 'call failed')
      else options.log.debug({ method, code: ours.code }, 'call refused')
      throw ours
    }
  }
}

async function call(options: DispatchOptions, method: Method, params: unknown, context: CallContext): Promise<unknown> {
  const parsed = methods[method].params.safeParse(params ?? {})
  if (!parsed.success) throw invalidParams(parsed.error)
  // SAFETY: the handler and the parsed parameters are of the same method.
  const handler = options.handlers[method] as (params: unknown, context: CallContext) => Promise<unknown>
  const result = await handler(parsed.data, context)
  if (options.checkResults) checkResult(method, result)
  return result
}

function checkResult(method: Method, result: unknown): void {
  const checked = methods[method].result.safeParse(result)
  if (checked.success) return
  throw new P2psyncError('INTERNAL', `the result of ${method}: ${invalidParams(checked.error).message}`)
}
