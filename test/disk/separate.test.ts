/** A second name of a file gets a file of its own, whatever a user does in the last instant; a crash leaves nothing behind. */
import * as fs from 'node:fs'
import { join } from 'node:path'
import test, { type Assert } from 'brittle'
import type { ApplyHooks } from '../../daemon/disk/atomic.ts'
import type { ApplyResult, SeenStat } from '../../daemon/ports.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { applyOne, historyTexts, leftInStaging, openFolder, read, statOf, tree, type Folder } from './tree.ts'

const [path, copy] = ['a' as PathKey, 'copy' as PathKey]

interface Linked {
  readonly folder: Folder
  readonly expect: SeenStat
  separate(): Promise<ApplyResult>
}

async function linked(t: Assert, act: (root: string) => void, when: keyof ApplyHooks = 'beforeMove', exchange = true): Promise<Linked> {
  const folder: Folder = await openFolder(t, { capabilities: { noReplace: false, links: true, exchange }, hooks: { [when]: (at: PathKey) => (at === copy ? act(folder.root) : undefined) } })
  fs.writeFileSync(join(folder.root, path), 'loser')
  const expect = statOf(folder.root, path)
  await applyOne(folder.disk, { kind: 'link', path, expect, to: copy })
  return { folder, expect, separate: async () => await applyOne(folder.disk, { kind: 'separate', path: copy, from: path, expect: statOf(folder.root, copy) }) }
}

for (const exchange of [true, false]) {
  const how = exchange ? '' : ' (without exchange)'

  test(`what is written to the path after its bytes were copied does not stand under the second name${how}`, async (t) => {
    const { folder, separate } = await linked(t, (root) => fs.appendFileSync(join(root, path), ', and more'), 'beforeMove', exchange)
    t.is((await separate()).kind, 'done')
    t.alike([read(folder.root, path), read(folder.root, copy)], ['loser, and more', 'loser'])
    t.alike([historyTexts(folder.root), leftInStaging(folder.root)], [[], []])
  })

  test(`what the user puts under the second name in the last instant stays in the tree${how}`, async (t) => {
    const { folder, separate } = await linked(t, (root) => {
      fs.writeFileSync(join(root, 'new'), 'of the user')
      fs.renameSync(join(root, 'new'), join(root, copy))
    }, 'beforeMove', exchange)
    const result = await separate()
    t.is(result.kind, 'changed')
    t.alike(tree(folder.root).map((name) => read(folder.root, name)).sort(), ['loser', 'loser', 'of the user'])
    t.alike(leftInStaging(folder.root), [])
  })

  test(`the last name of bytes is never dropped${how}`, async (t) => {
    const { folder, separate } = await linked(t, (root) => {
      fs.appendFileSync(join(root, path), ', and more')
      fs.unlinkSync(join(root, path))
    }, 'beforeMove', exchange)
    await separate()
    t.alike(tree(folder.root).map((name) => read(folder.root, name)).sort(), ['loser', 'loser, and more'])
    t.alike(leftInStaging(folder.root), [])
  })
}

test('a crash right after the exchange leaves two files, and nothing else', async (t) => {
  const { folder, separate } = await linked(t, () => {
    throw new Error('crash')
  }, 'afterMove')
  await separate()
  await (await folder.again()).recover()
  t.alike(tree(folder.root).map((name) => read(folder.root, name)), ['loser', 'loser'])
  t.not(statOf(folder.root, path).ino, statOf(folder.root, copy).ino)
  t.alike([historyTexts(folder.root), leftInStaging(folder.root)], [[], []])
})
