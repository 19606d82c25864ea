/** A member whose history holds times that are none. */
import test from 'brittle'
import c from 'compact-encoding'
import * as wire from '../../daemon/net/protocol.ts'
import type { ContentId, PathKey } from '../../daemon/sync/ids.ts'

test('a time of a version that is beyond what can be shown is refused where it arrives', (t) => {
  const content = { kind: 'file' as const, mtime: '0', mode: 0o600, size: 1, cid: 'a'.repeat(43) as ContentId }
  const bytes = c.encode(wire.versions, { id: 1, more: false, versions: [{ path: 'file' as PathKey, content, writer: null, at: 2 ** 53 - 1, reason: 'deleted' }] })
  let shown = 'refused'
  try {
    const [version] = c.decode(wire.versions, bytes).versions
    shown = new Date(version?.at ?? 0).toISOString()
  } catch (error) {
    if (error instanceof RangeError) shown = String(error)
  }
  t.is(shown, 'refused')
})
