/** AbortControllers of ours. */
import { setMaxListeners } from 'node:events'

/** For work of which many parts listen at once, in bounded number: Node would call more than ten listeners a leak. */
export function busyAbortController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
