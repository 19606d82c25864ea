/** Bytes that came in a message and are kept for longer than it is handled. */

/**
 * A view of a message holds on to all of it, up to 16 MiB, and who sent it says how much else is in there: this is a copy where that is more
 * than the view again. `freely`: bytes that may be held on to, whatever they are; default: as many as Node's own pool for small buffers has, since what is
 * copied into that is a view again.
 */
export function keptView(view: Buffer, freely = Buffer.poolSize): Buffer {
  return view.buffer.byteLength <= Math.max(freely, 2 * view.length) ? view : Buffer.from(view)
}
