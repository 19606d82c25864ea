/** R19: numbers behind a fork mean nothing any more. */
import test from 'brittle'
import type { Dot, FileEntry } from '../../daemon/sync/entry.ts'
import type { ContentId, WriterId } from '../../daemon/sync/ids.ts'
import { mergeEntries } from '../../daemon/sync/merge.ts'
import { recount } from '../../daemon/sync/recount.ts'

const A = 'aaaaaaaaaaaaaaaa' as WriterId
const B = 'bbbbbbbbbbbbbbbb' as WriterId
const NEW = 'cccccccccccccccc' as WriterId
const TEN_YEARS_NS = 10n * 365n * 86_400n * 1_000_000_000n
const NOW = 1_763_795_000_000_000_000n

function file(content: string, vv: Record<string, number>, dot: Dot, mtime = String(NOW)): FileEntry {
  return { kind: 'file', vv, dots: [dot], mdot: dot, mode: 0o644, size: 1, mtime, cid: content.padEnd(43, 'A') as ContentId }
}

const counter = () => {
  let n = 0
  return (): Dot => [NEW, ++n]
}

test('R19: a change behind the common length gains a number of the new writer', (t) => {
  const entry = recount(file('z', { [A]: 65, [B]: 3 }, [A, 65]), { writer: A, counter: 50 }, counter())
  t.alike(entry, { ...file('z', { [A]: 50, [B]: 3, [NEW]: 1 }, [NEW, 1]) })
})

test('R19: what came before it, and changes of others, stay as they are', (t) => {
  const old = file('z', { [A]: 50, [B]: 3 }, [A, 50])
  t.is(recount(old, { writer: A, counter: 50 }, () => t.fail() as never), old)
  const chmod = file('z', { [A]: 52, [B]: 3 }, [B, 3])
  t.alike(recount(chmod, { writer: A, counter: 50 }, counter()), { ...chmod, vv: { [A]: 50, [B]: 3, [NEW]: 1 } })
  t.alike(recount(file('z', { [A]: 2 }, [A, 2]), { writer: A, counter: 0 }, counter()).vv, { [NEW]: 1 })
})

test('R19: twice is once', (t) => {
  const take = counter()
  const once = recount(file('z', { [A]: 65 }, [A, 65]), { writer: A, counter: 50 }, take)
  t.is(recount(once, { writer: A, counter: 50 }, take), once)
})

test('R19: two changes under one number are a conflict after it, in which nothing is lost', (t) => {
  const elsewhere = file('x', { [A]: 70 }, [A, 70])
  const here = file('z', { [A]: 65 }, [A, 65])
  t.is(mergeEntries([elsewhere, here]).losers.length, 0, 'before: the greater number covers a change it never saw')
  const { merged, losers } = mergeEntries([elsewhere, recount(here, { writer: A, counter: 50 }, counter())])
  t.alike([merged, ...losers].map((entry) => entry.kind === 'file' && entry.cid[0]).sort(), ['x', 'z'])
})

test('clock: ten years off in either direction decide who keeps the name, never what survives', (t) => {
  for (const skew of [-TEN_YEARS_NS, 0n, TEN_YEARS_NS]) {
    const right = file('x', { [A]: 1 }, [A, 1])
    const wrong = file('y', { [B]: 1 }, [B, 1], String(NOW + skew))
    const { merged, losers } = mergeEntries([right, wrong])
    t.alike([merged, ...losers].map((entry) => entry.kind === 'file' && entry.cid[0]).sort(), ['x', 'y'], `both survive at ${skew}`)
    const later = file('z', { [A]: 1, [B]: 1 }, [B, 1], String(NOW + skew))
    t.alike(mergeEntries([right, later]), { merged: later, losers: [] }, 'an edit of what was known wins, whatever its clock says')
  }
})
