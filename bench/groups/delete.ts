/** A third of many small files deleted: fewer than half, or the guard against mass deletions would ask first. */
import { renameSync, rmSync } from 'node:fs'
import { arrived, FILES_IN_DIRECTORY, gone, writeSmall } from '../files.ts'
import { pause, timed, TIMEOUT_MS, type Bench, type Group } from '../group.ts'

/** The guard counts from the files that were there a minute ago (R27): before that, a new tree that goes again is a mass deletion. */
const GUARD_WINDOW_MS = 65_000

export const deletion: Group = { name: 'delete', run }

async function run(bench: Bench): Promise<void> {
  const { pair, sizes, record } = bench
  const { a, b } = pair
  const directories = writeSmall(a.beside('tree'), sizes.deleteOf, 'delete', 512)
  await timed(bench, async () => {
    renameSync(a.beside('tree'), a.path('tree'))
    pair.hint(['tree'])
    await arrived(b.path('tree'), directories, TIMEOUT_MS)
  })
  await pause(GUARD_WINDOW_MS)
  const doomed = directories.slice(0, sizes.deleted / FILES_IN_DIRECTORY)
  const { seconds } = await timed(bench, async () => {
    for (const directory of doomed) rmSync(a.path('tree', directory), { recursive: true })
    pair.hint(doomed.map((directory) => `tree/${directory}`))
    await gone(doomed.map((directory) => b.path('tree', directory)), TIMEOUT_MS)
  })
  record('delete', seconds)
}
