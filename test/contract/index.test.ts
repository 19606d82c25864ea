/** The index's contract, on the fake and on the real one. */
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { Store } from '../../daemon/drive/store.ts'
import { openIndex } from '../../daemon/index/open.ts'
import type { FolderId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { IndexStore } from '../fakes/index-store.ts'
import { FakeIndex } from '../fakes/index.ts'
import { calmLife } from '../fakes/life.ts'
import { indexContract, type IndexBench } from './index.ts'

const FOLDER = 'f1'.repeat(32) as FolderId

async function fakeBench(_t: Assert): Promise<IndexBench> {
  const [store, life] = [new IndexStore(), calmLife(new FakeClock())]
  const bench = { index: new FakeIndex(store, life), reopen: async () => void (bench.index = new FakeIndex(store, life)) }
  return bench
}

async function realBench(t: Assert): Promise<IndexBench> {
  const path = join(await t.tmp(), 'store')
  let store = new Store({ path, primaryKey: Buffer.alloc(32, 1) })
  await store.open()
  const bench = {
    index: await openIndex(store, FOLDER),
    reopen: async () => {
      await bench.index.close()
      await store.close()
      store = new Store({ path, primaryKey: Buffer.alloc(32, 1) })
      await store.open()
      bench.index = await openIndex(store, FOLDER)
    }
  }
  t.teardown(async () => {
    await bench.index.close()
    await store.close()
  })
  return bench
}

indexContract('fake', fakeBench)
indexContract('real', realBench)
