/** What operations that failed half-way left is put right at the end of a cycle, and listed. */
import test from 'brittle'
import type { FolderContext } from '../../daemon/folder/context.ts'
import { Tidying } from '../../daemon/folder/tidy.ts'
import type { PutRight } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'

interface Seen {
  readonly scanned: PathKey[]
  readonly listed: string[]
}

/** A folder in which nothing else is to be done. `results`: one after the other. */
function folder(results: (PutRight | Error | null)[], rowOf: (name: string) => unknown): { readonly context: FolderContext; readonly seen: Seen } {
  const seen: Seen = { scanned: [], listed: [] }
  const fail = (error: Error): never => {
    throw error
  }
  const context = {
    problems: new Map(),
    fetcher: { foretold: new Map() },
    work: { markScan: (paths: readonly PathKey[]) => void seen.scanned.push(...paths) },
    ports: {
      log: { warn: () => undefined, info: () => undefined },
      disk: {
        putRight: async () => {
          const result = results.shift() ?? null
          return await Promise.resolve(result instanceof Error ? fail(result) : result)
        },
        historyNotes: async (names: readonly string[]) => await Promise.resolve(names.map(() => null))
      },
      index: {
        historyRow: async (name: string) => {
          seen.listed.push(name)
          return await Promise.resolve(rowOf(name))
        },
        batch: () => ({ flush: async () => await Promise.resolve() })
      }
    }
  } as unknown as FolderContext
  return { context, seen }
}

test('it is tried again ever more seldom, and at once for what fails anew', async (t) => {
  const left: PutRight = { paths: [], kept: [], all: false }
  const { context } = folder([left, Object.assign(new Error('no'), { code: 'EIO' }), left, null, left], () => null)
  const tidying = new Tidying()
  const waits: (number | null)[] = []
  for (let i = 0; i < 5; i++) waits.push(await tidying.run(context))
  t.alike(waits, [5_000, 10_000, 20_000, null, 5_000])
  const other = folder(Array.from({ length: 12 }, () => left), () => null)
  let last: number | null = null
  for (let i = 0; i < 12; i++) last = await tidying.run(other.context)
  t.is(last, 300_000)
})

test('what it put right is looked at and listed, in the end also where listing fails first', async (t) => {
  let isFailing = true
  const { context, seen } = folder([{ paths: ['f' as PathKey], kept: ['h/1'], all: true }, null, null], () => {
    if (isFailing) throw Object.assign(new Error('no'), { code: 'EIO' })
    return {}
  })
  const tidying = new Tidying()
  t.is(await tidying.run(context), 5_000)
  t.alike([seen.scanned, seen.listed], [['f'], ['h/1']])
  isFailing = false
  t.is(await tidying.run(context), null)
  t.alike(seen.listed, ['h/1', 'h/1'])
  t.is(await tidying.run(context), null)
  t.is(seen.listed.length, 2, 'listed once')
})
