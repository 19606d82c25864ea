/** Whether a content has room is told before anything of it is asked for. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { listOf, openFolder } from './tree.ts'

const HUGE = 2 ** 52

test('a content without room is refused before its chunks are gone through', async (t) => {
  const { disk } = await openFolder(t)
  let looked = 0
  const { chunks, ...rest } = listOf('some text')
  const list = {
    ...rest,
    size: HUGE,
    get chunks() {
      looked++
      return chunks
    }
  }
  const code = await disk.stage(list).then(
    () => null,
    (error: unknown) => (error as { code?: string }).code
  )
  t.is(code, 'ENOSPC')
  t.is(looked, 0)
})

test('a content larger than the disk is refused by its size alone, one that fits or has begun is not', async (t) => {
  const { disk } = await openFolder(t)
  const refusal = async (cid: ReturnType<typeof listOf>['cid'], size: number): Promise<unknown> => await disk.foresee(cid, size).then(
    () => null,
    (error: unknown) => (error as { code?: string }).code
  )
  const list = listOf('some text')
  t.is(await refusal(list.cid, HUGE), 'ENOSPC')
  t.is(await refusal(list.cid, list.size), null)
  await disk.keepStaged(new Set())
  const staged = await disk.stage(list)
  t.is(await refusal(list.cid, HUGE), null, 'how much of it is missing is not known yet')
  await staged.release()
})

test('what stands in staging is listed once, before the first content is foreseen', async (t) => {
  const { disk, root } = await openFolder(t)
  const [left, { cid }] = [listOf('left by a crash'), listOf('not there')]
  const fetch = join(root, '.p2psync/staging/fetch')
  const path = join(fetch, left.cid)
  fs.mkdirSync(fetch, { recursive: true, mode: 0o700 })
  fs.writeFileSync(path, 'left by')
  await disk.foresee(left.cid, HUGE)
  // Nobody else puts anything there.
  fs.writeFileSync(join(fetch, cid), 'not')
  await t.exception(disk.foresee(cid, HUGE), /no room/)
  await disk.foresee(left.cid, HUGE)
  await disk.keepStaged(new Set())
  await t.exception(disk.foresee(left.cid, HUGE), /no room/, 'and what is tidied away is forgotten')
})
