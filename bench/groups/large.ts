/** One large file: new, edited inside, shifted, renamed. */
import { closeSync, createReadStream, createWriteStream, lstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { gone, hasTimes, MIB, seeded, writeLarge } from '../files.ts'
import { settledStore, timed, TIMEOUT_MS, type Bench, type Group } from '../group.ts'
import { storeLimit } from '../rows.ts'

export const large: Group = { name: 'large', run }

async function run(bench: Bench): Promise<void> {
  const { pair, sizes, record } = bench
  const { a, b } = pair
  const path = a.path('large.bin')
  writeLarge(a.beside('large.bin'), sizes.largeBytes, 'large')

  const created = await timed(bench, async () => {
    renameSync(a.beside('large.bin'), path)
    pair.hint(['large.bin'])
    await hasTimes(b.path('large.bin'), lstatSync(path, { bigint: true }), TIMEOUT_MS)
  })
  record('large.new', sizes.largeBytes / MIB / created.seconds)
  record('large.store', await settledStore(bench), storeLimit(1, sizes.largeBytes))

  const overwritten = await timed(bench, async () => {
    const fd = openSync(path, 'r+')
    writeSync(fd, seeded('edit')(sizes.editBytes), 0, sizes.editBytes, Math.floor(sizes.largeBytes / 2) + 12_345)
    closeSync(fd)
    pair.hint(['large.bin'])
    await hasTimes(b.path('large.bin'), lstatSync(path, { bigint: true }), TIMEOUT_MS)
  })
  record('large.overwrite', overwritten.seconds)
  record('large.overwrite.wire', overwritten.wireBytes)

  await shifted(path, a.beside('shifted.bin'), seeded('insert')(sizes.editBytes))
  const inserted = await timed(bench, async () => {
    renameSync(a.beside('shifted.bin'), path)
    pair.hint(['large.bin'])
    await hasTimes(b.path('large.bin'), lstatSync(path, { bigint: true }), TIMEOUT_MS)
  })
  record('large.insert', inserted.seconds)
  record('large.insert.wire', inserted.wireBytes)

  const renamed = await timed(bench, async () => {
    renameSync(path, a.path('renamed.bin'))
    pair.hint(['large.bin', 'renamed.bin'])
    await hasTimes(b.path('renamed.bin'), lstatSync(a.path('renamed.bin'), { bigint: true }), TIMEOUT_MS)
    await gone([b.path('large.bin')], TIMEOUT_MS)
  })
  record('large.rename', renamed.seconds)
  record('large.rename.wire', renamed.wireBytes)
}

/** The file with bytes before it, as an editor saves it: beside, then renamed over. */
async function shifted(from: string, to: string, head: Buffer): Promise<void> {
  await appendFile(to, head)
  await pipeline(createReadStream(from, { highWaterMark: 4 * MIB }), createWriteStream(to, { flags: 'a' }))
}
