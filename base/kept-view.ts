/** Bytes that came in a message and are kept for longer than it is handled. */

/** Node's own pool for small buffers: what is copied into it is a view again. */
const POOL_BYTES = 8 * 1024

/**
 * A view of a message holds on to all of it, up to 16 MiB, and who sent it says how much else is in there: this is a copy where that is more
 * than the view again. `freely`: bytes that may be held on to, whatever they are.
 */
export function keptView(view: Buffer, freely = POOL_BYTES): Buffer {
  return view.buffer.byteLength <= Math.max(freely, 2 * view.length) ? view : Buffer.from(view)
}
