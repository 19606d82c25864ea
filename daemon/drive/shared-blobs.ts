/**
 * A drive that goes on with the blobs core of the one before: its header names it, as that of any Hyperdrive may, so that a stock reader
 * finds it. Only where both are encrypted with one folder key, and nothing says that the core could be longer elsewhere.
 */
import type Corestore from 'corestore'
import messages from 'hyperbee/lib/messages.js'

/** As Hyperdrive opens it; the header is the first block that Hyperbee would write. Idempotent. */
export async function nameBlobs(store: Corestore, encryptionKey: Buffer, blobs: Buffer): Promise<void> {
  const core = store.get({ name: 'db', exclusive: true, encryptionKey })
  try {
    await core.ready()
    if (core.length === 0) await core.append(messages.Header.encode({ protocol: 'hyperbee', metadata: { contentFeed: blobs } }))
  } finally {
    await core.close()
  }
}
