/** Fills a store until its disk takes no more, as a process of its own whose files may not grow (write-failures.test.ts). */
import { join } from 'node:path'
import { Store } from '../../daemon/drive/store.ts'

const APPENDS = 64
const BLOCK_BYTES = 64 * 1024

const failures: unknown[] = []
const store = new Store({ path: join(process.argv[2] as string, 'store'), primaryKey: Buffer.alloc(32, 7), onFailure: (error) => failures.push(error) })
await store.open()
const core = store.corestore.get({ name: 'filled' })
await core.ready()
let refused = false
for (let i = 0; i < APPENDS && !refused; i++) refused = await core.append(Buffer.alloc(BLOCK_BYTES, i)).then(() => false, () => true)
await store.index.write({ autoDestroy: true }).flush().catch(() => undefined)
await store.close()
// Only a database that was let go of can be opened again by the same process.
const again = await new Store({ path: store.path, primaryKey: Buffer.alloc(32, 7) }).open().then(() => true, (error: unknown) => String(error))
const cause = failures[0] instanceof Error ? failures[0].cause : null
console.log(JSON.stringify({ failures: failures.length, reason: cause instanceof Error ? cause.message : String(cause), refused, again }))
process.exit(0)
