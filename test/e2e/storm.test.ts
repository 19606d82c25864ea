/** Users at work on both devices at once, with daemons that are killed in between: equal trees in the end. What may be gone is judged by test/chaos, which keeps a ledger. */
import { createHash, randomInt } from 'node:crypto'
import { chmod, mkdir, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises'
import test from 'brittle'
import { errnoOf } from '../../base/errors.ts'
import { createPair, waitConnected, type Device } from './harness.ts'
import { textsOf, waitEqual } from './tree.ts'

const ACTIONS = 220
const DIRECTORIES = ['.', 'one', 'two', 'one/inner', 'two/inner']

/** A small generator, so that a run can be repeated: P2PSYNC_STORM_SEED. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

interface User {
  readonly device: Device
  /** Contents this user wrote and never overwrote in place. */
  readonly contents: Set<string>
  count: number
}

async function act(user: User, random: (below: number) => number): Promise<void> {
  const { device } = user
  const directory = DIRECTORIES[random(DIRECTORIES.length)] ?? '.'
  const present = (await readdir(device.path(directory)).catch(() => [])).filter((name) => name.endsWith('.txt'))
  const chosen = present[random(Math.max(1, present.length))]
  switch (random(8)) {
    case 0:
      if (chosen !== undefined) await unlink(device.path(directory, chosen))
      return
    case 1:
      if (chosen !== undefined) await rename(device.path(directory, chosen), device.path(directory, `moved-${random(20)}.txt`))
      return
    case 2:
      await mkdir(device.path('one/inner'), { recursive: true })
      return await rename(device.path('one/inner'), device.path(`inner-${random(5)}`))
    case 3:
      return await rm(device.path(DIRECTORIES[3 + random(2)] ?? 'two/inner'), { recursive: true })
    case 4:
      if (chosen !== undefined) await chmod(device.path(directory, chosen), random(2) === 0 ? 0o600 : 0o644)
      return
    default:
      return await writeNew(user, directory, `shared-${random(15)}.txt`)
  }
}

/** As editors save: a new file renamed over the name. */
async function writeNew(user: User, directory: string, name: string): Promise<void> {
  const content = `${user.device.name} wrote ${user.count++} as ${name}\n`
  const draft = user.device.beside(`draft-${user.count}`)
  await mkdir(user.device.path(directory), { recursive: true })
  await writeFile(draft, content)
  await rename(draft, user.device.path(directory, name))
  user.contents.add(hash(content))
}

/** What a rename, a deletion or a directory that went meets in a live tree is no failure of a user. */
async function tolerant(action: Promise<void>): Promise<void> {
  try {
    await action
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'ENOTDIR', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error
  }
}

const hash = (content: string): string => createHash('sha256').update(content).digest('hex')

test('two users at work at once: equal trees, no problems', { timeout: 280_000 }, async (t) => {
  const seed = Number(process.env['P2PSYNC_STORM_SEED'] ?? randomInt(1_000_000))
  t.comment(`P2PSYNC_STORM_SEED=${seed}`)
  const random = generator(seed)
  const [a, b] = await createPair(t)
  const users: [User, User] = [
    { device: a, contents: new Set(), count: 0 },
    { device: b, contents: new Set(), count: 0 }
  ]
  for (let i = 0; i < ACTIONS; i++) {
    await tolerant(act(users[random(2)] ?? users[0], random))
    if (i === 80) await a.kill9()
    if (i === 100) await a.start()
    if (i === 150) await b.kill9()
    if (i === 165) await b.start()
  }
  await waitConnected(a, b)
  const tree = await waitEqual([a.path(), b.path()], 60_000, async () => (await a.call('folders.sync', { timeoutMs: 120_000 })).outcome === 'in-sync')
  t.ok(tree.size > 0)
  for (const device of [a, b]) t.alike((await device.call('status.get', {})).folders[0]?.problems, [], `${device.name} has no problems`)

  // A user's own replacement or deletion of what only stood there may end a content; whatever the other device had must be somewhere.
  const kept = new Set([...(await textsOf(a.path())), ...(await textsOf(b.path()))].map(hash))
  const lost = users.map((user) => [...user.contents].filter((content) => !kept.has(content)).length)
  t.comment(`contents written: ${users.map((user) => user.contents.size).join(' and ')}; ended by their own user: ${lost.join(' and ')}`)
  for (const path of tree.keys()) t.absent(path.startsWith('.p2psync/'), 'nothing of ours is synced')
})
