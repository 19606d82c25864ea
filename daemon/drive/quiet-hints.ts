/**
 * Hypercore writes down hints: how far a log is whole here, and how far it is at peers. The first goes into the batch of each append,
 * and then once more in a write of its own; the second is written each time a peer says that it has more, and nobody reads it. Those
 * writes are left out: they were half of all writes of a small change, and an append waited for one of them. A hint that is behind
 * is mended when the core is opened.
 *
 * Leans on hypercore 11.37.1: `setHints` of a transaction, `flushHints`, `hintsChanged`; the tests of this file pin what.
 */
import type Hypercore from 'hypercore'

const quiet = new WeakSet<object>()

/** For a core that is open. */
export function quietHints({ core, state }: Hypercore): void {
  if (quiet.has(core)) return
  quiet.add(core)
  let kept: { readonly contiguousLength: number; readonly recovering: boolean } | null = null
  const write = state.storage.write.bind(state.storage)
  state.storage.write = () => {
    const transaction = write()
    const setHints = transaction.setHints.bind(transaction)
    const flush = transaction.flush.bind(transaction)
    let set: typeof kept = null
    transaction.setHints = (hints) => {
      set = { contiguousLength: hints.contiguousLength, recovering: Boolean(hints.recovering) }
      setHints(hints)
    }
    transaction.flush = async () => {
      const flushed = await flush()
      if (flushed && set !== null) kept = set
      return flushed
    }
    return transaction
  }
  const flushHints = core.flushHints.bind(core)
  core.flushHints = async () => {
    const { contiguousLength, recovering } = core.header.hints
    if (kept?.contiguousLength !== contiguousLength || kept.recovering !== Boolean(recovering)) return await flushHints()
    core.hintsChanged = false
  }
}
