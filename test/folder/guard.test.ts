/** R26 to R29 on fakes: what waits, what does not, and what a decision does. */
import test from 'brittle'
import { createHash } from 'node:crypto'
import { Guard } from '../../daemon/folder/guard.ts'
import type { Row } from '../../daemon/ports.ts'
import type { ContentId, PathKey, WriterId } from '../../daemon/sync/ids.ts'
import { FolderWorld, type FolderDevice } from './world.ts'

const GUARD = { minimum: 10, fraction: 0.5 }
const NONE = { minimum: 1_000_000 }
const FILES = 20

async function world(...guards: Partial<typeof GUARD>[]): Promise<FolderWorld> {
  const made = await FolderWorld.open(...guards.map((guard) => ({ guard })))
  const [a] = made.devices as [FolderDevice]
  a.user.mkdir('d')
  for (let i = 0; i < FILES; i++) a.user.write(`d/${i}`, `file ${i}`)
  await made.rest(100_000)
  return made
}

test('R27: more than the share is held at the source, the rest of the folder goes on', async (t) => {
  const made = await world(GUARD, NONE)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.remove('d')
  a.user.write('other', 'other')
  await made.rest()
  t.is(a.folder.activity, 'decision')
  t.is(a.folder.status().reason?.code, 'mass-deletion')
  t.is(b.files().length, FILES + 1)
  t.ok(b.files().includes('other'))
  t.is(a.report?.dirty, true)
  t.absent(b.folder.inSyncWith(a.device))
})

test('R28: approve publishes what waits, flagged so that a receiver does not hold it', async (t) => {
  const made = await world(GUARD, GUARD)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.remove('d')
  await made.rest()
  t.alike(await made.whenDone(a.folder.user.approve()), { here: FILES + 1, elsewhere: 0 })
  await made.rest()
  t.alike([a.folder.activity, b.folder.activity], ['idle', 'idle'])
  t.alike([b.files(), b.disk.tree.node('d')], [[], null])
  t.ok(a.folder.inSyncWith(b.device))
})

test('R28: reject fetches the files back under their versions', async (t) => {
  const made = await world(GUARD, NONE)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.remove('d')
  await made.rest()
  await made.whenDone(a.folder.user.reject())
  await made.rest()
  t.is(a.files().length, FILES)
  t.is(a.user.read('d/3').toString(), 'file 3')
  t.alike([a.folder.activity, b.folder.activity], ['idle', 'idle'])
  t.ok(a.folder.inSyncWith(b.device) && b.folder.inSyncWith(a.device))
  t.is(b.disk.history.size, 0, 'nothing was touched there')
})

test('R28: what nobody else has cannot come back, and does not wait for ever', async (t) => {
  const made = await world(GUARD)
  const [a] = made.devices as [FolderDevice]
  a.user.remove('d')
  await made.rest()
  t.is(a.folder.activity, 'decision')
  await made.whenDone(a.folder.user.reject())
  await made.rest()
  t.is(a.folder.activity, 'idle')
  t.alike(a.files(), [])
})

test('R28: a kill does not forget what waits, however little is left of the window', async (t) => {
  const made = await world(GUARD, NONE)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  for (let i = 0; i < 8; i++) a.user.unlink(`d/${i}`)
  await made.rest(20_000)
  t.is(b.files().length, FILES - 8, 'fewer than the minimum go')
  for (let i = 8; i < 15; i++) a.user.unlink(`d/${i}`)
  await made.rest(20_000)
  t.is(a.folder.activity, 'decision', 'the window adds them up')
  const left = b.files().length
  t.ok(left > FILES / 2, 'the first hint was acted upon at once, the rest waits')
  a.kill()
  await made.rest(200_000)
  a.start()
  await made.rest()
  t.is(a.folder.activity, 'decision')
  t.is(b.files().length, left)
})

test('what waited and is back waits no more', async (t) => {
  const made = await world(GUARD, NONE)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  const before = a.files()
  const away = a.disk.tree.detach('d')
  await made.whenDone(a.folder.scan(false, new AbortController().signal))
  t.is(a.folder.activity, 'decision')
  a.disk.tree.attach('d', away)
  await made.whenDone(a.folder.scan(false, new AbortController().signal))
  await made.rest()
  t.is(a.folder.activity, 'idle')
  t.alike([a.files(), b.files()], [before, before])
  a.user.unlink('d/3')
  await made.rest()
  t.is(a.folder.activity, 'idle', 'and a deletion of one of them is an ordinary one')
  t.absent(b.files().includes('d/3'))
})

for (const answer of ['approve', 'reject'] as const) {
  test(`${answer} does nothing to what is back by then`, async (t) => {
    const made = await world(GUARD, NONE)
    const [a, b] = made.devices as [FolderDevice, FolderDevice]
    const before = a.files()
    const away = a.disk.tree.detach('d')
    await made.whenDone(a.folder.scan(false, new AbortController().signal))
    a.disk.tree.attach('d', away)
    await made.whenDone(a.folder.user[answer]())
    await made.rest(100_000)
    t.alike([a.files(), b.files()], [before, before])
    t.alike([a.folder.activity, a.folder.status().problems], ['idle', []])
    a.user.remove('d')
    await made.rest()
    t.is(a.folder.activity, 'decision', 'the answer was for that time only')
  })
}

test('R28: rejected while nobody is there: not in sync until the files are back', async (t) => {
  const made = await world(GUARD, NONE)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  made.network.cut(a.device, b.device)
  a.user.remove('d')
  await made.rest()
  await made.whenDone(a.folder.user.reject())
  await made.rest()
  t.is(a.files().length, 0)
  t.is(a.report?.dirty, true)
  t.absent(a.folder.inSyncWith(b.device))
  t.is(a.folder.status().need.files, FILES)
  made.network.mend(a.device, b.device)
  await made.rest()
  t.is(a.files().length, FILES)
  t.is(a.report?.dirty, false)
  t.ok(a.folder.inSyncWith(b.device))
})

test('R27: a rename that is seen in two halves is let go', async (t) => {
  const made = await world(GUARD, NONE)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  const moved = a.disk.tree.detach('d')
  await made.whenDone(a.folder.scan(false, new AbortController().signal))
  t.is(a.folder.activity, 'decision')
  a.disk.tree.attach('e', moved)
  await made.whenDone(a.folder.scan(false, new AbortController().signal))
  await made.rest()
  t.is(a.folder.activity, 'idle')
  t.alike(b.files(), a.files())
  t.is(b.disk.tree.node('d'), null)
})

test('R29: held where it arrives; rejected, it dominates; approved, it goes', async (t) => {
  const made = await world(NONE, GUARD, NONE)
  const [a, b, c] = made.devices as [FolderDevice, FolderDevice, FolderDevice]
  a.user.remove('d')
  await made.rest()
  t.is(b.folder.activity, 'decision')
  t.alike([b.files().length, c.files().length], [FILES, 0])
  b.kill()
  await made.rest()
  b.start()
  await made.rest()
  t.alike([b.folder.activity, b.files().length], ['decision', FILES])
  t.alike(await made.whenDone(b.folder.user.reject()), { here: 0, elsewhere: FILES })
  await made.rest()
  t.alike([a, b, c].map((device) => device.files().length), [FILES, FILES, FILES])
  t.ok([a, b, c].every((device) => device.folder.activity === 'idle'))

  c.user.remove('d')
  await made.rest()
  await made.whenDone(b.folder.user.approve())
  await made.rest()
  t.alike([a, b, c].map((device) => device.files().length), [0, 0, 0])
  t.ok([a, b, c].every((device) => device.folder.activity === 'idle'))
})

test('R27: an edit here of what others deleted waits for nobody', async (t) => {
  const made = await world(NONE, GUARD)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.remove('d')
  await made.rest()
  b.user.write('d/3', 'edited meanwhile')
  await made.rest()
  t.is(a.user.read('d/3').toString(), 'edited meanwhile')
  t.is(b.folder.activity, 'decision')
})

test('a directory that became a file waits with what was in it; rejected, both live', async (t) => {
  const made = await world(GUARD, NONE)
  const [a, b] = made.devices as [FolderDevice, FolderDevice]
  a.user.remove('d')
  a.user.write('d', 'now a file')
  await made.rest()
  t.is(a.folder.activity, 'decision')
  t.is(b.files().length, FILES)
  await made.whenDone(a.folder.user.reject())
  await made.rest()
  t.is(a.files().filter((path) => path.startsWith('d/')).length, FILES)
  t.ok(a.files().some((path) => path.startsWith('d.sync-conflict-')))
  t.alike(b.files(), a.files())
})

test('nothing waits: approve and reject say so', async (t) => {
  const made = await FolderWorld.open({})
  const [a] = made.devices as [FolderDevice]
  for (const answer of ['approve', 'reject'] as const) {
    await made.whenDone(a.folder.user[answer]()).then(
      () => t.fail(),
      (error: { code?: string }) => t.is(error.code, 'NOTHING_HELD')
    )
  }
})

test('R27: deletions that were let through and are not done yet are no files that were there before', (t) => {
  const guard = new Guard({ minimum: 10, fraction: 0.5 })
  const state = (from: number, to: number): void => {
    for (let i = from; i < to; i++) guard.incoming(`f${i}` as PathKey, rowOf(i), { kind: 'tombstone', vv: { [WRITER]: 1000 + i }, dots: [[WRITER, 1]] })
  }
  state(0, 30)
  t.alike(guard.judgeElsewhere(100, 0), [])
  state(30, 60)
  t.is(guard.judgeElsewhere(100, 1).length, 30, 'sixty of a hundred, of which none is gone')
  for (let i = 0; i < 30; i++) guard.forget(`f${i}` as PathKey)
  state(60, 80)
  t.is(guard.judgeElsewhere(70, 2).length, 0, 'fifty of a hundred, of which thirty are gone')
  state(80, 81)
  t.is(guard.judgeElsewhere(70, 3).length, 1)
})

test('R27: where to count is enough, nothing would have to wait', (t) => {
  for (let gone = 0; gone <= 30; gone += 5) {
    for (let coming = 0; coming <= 30; coming += 5) {
      for (let hinted = 0; hinted <= 60; hinted += 3) {
        const guard = new Guard({ minimum: 10, fraction: 0.5 })
        const state = (from: number, to: number): void => {
          for (let i = from; i < to; i++) guard.incoming(`f${i}` as PathKey, rowOf(i), { kind: 'tombstone', vv: { [WRITER]: 1000 + i }, dots: [[WRITER, 1]] })
        }
        state(0, gone)
        guard.judgeElsewhere(100, 0)
        state(gone, gone + coming)
        const fresh = Array.from({ length: hinted }, (_, i) => ({ path: `g${i}` as PathKey, content: `${i}` }))
        const would = guard.wouldHold(fresh, 100, 1)
        // Nothing appeared, and each of these is another file: to count says all.
        if (guard.mightHoldElsewhere(hinted, 100, 1) !== would) return t.fail(`${gone} gone, ${coming} coming, ${hinted} hinted: ${would}`)
      }
    }
  }
  t.pass()
})

const WRITER = 'a1b2c3d4e5f6a7b8' as WriterId

function rowOf(i: number): Row {
  const cid = createHash('sha256').update(`${i}`).digest('base64url') as ContentId
  return { entry: { kind: 'file', vv: { [WRITER]: 1 }, dots: [[WRITER, 1]], mdot: [WRITER, 1], mode: 0o644, size: 1, mtime: '0', cid }, seen: null }
}

test('R27: files that moved are stated before a scan is over, in pairs', async (t) => {
  const batches: number[] = []
  for (const movedAtOnce of [1000, 4]) {
    const made = await FolderWorld.open({ guard: GUARD, movedAtOnce }, { guard: GUARD })
    const [a, b] = made.devices as [FolderDevice, FolderDevice]
    a.user.mkdir('d')
    for (let i = 0; i < FILES; i++) a.user.write(`d/${i}`, `file ${i}`)
    await made.rest(100_000)
    const [before, received] = [a.drive.signed.length, b.folder.status().receivedBytes]
    a.user.rename('d', 'e')
    await made.rest()
    batches.push(a.drive.signed.length - before)
    t.alike([a.folder.activity, b.folder.activity], ['idle', 'idle'])
    t.alike(b.files().toSorted(), Array.from({ length: FILES }, (_, i) => `e/${i}`).toSorted())
    t.is(b.folder.status().receivedBytes, received, 'their bytes are there')
  }
  t.ok((batches[1] ?? 0) > (batches[0] ?? 0), `${batches[1]} batches, not ${batches[0]}`)
})

test('R27: what is deleted beside many files that moved is judged by itself', async (t) => {
  for (const [deleted, activity] of [[9, 'idle'], [11, 'decision']] as const) {
    const made = await FolderWorld.open({ guard: GUARD, movedAtOnce: 4 }, { guard: NONE })
    const [a, b] = made.devices as [FolderDevice, FolderDevice]
    a.user.mkdir('d')
    for (let i = 0; i < FILES; i++) a.user.write(`d/${i}`, `file ${i}`)
    await made.rest(100_000)
    a.user.mkdir('e')
    for (let i = 0; i < FILES; i++) {
      if (i < deleted) a.user.unlink(`d/${i}`)
      else a.user.rename(`d/${i}`, `e/${i}`)
    }
    await made.rest()
    t.is(a.folder.activity, activity)
    const moved = Array.from({ length: FILES - deleted }, (_, i) => i + deleted)
    const kept = activity === 'idle' ? [] : Array.from({ length: deleted }, (_, i) => `d/${i}`)
    t.alike(b.files().toSorted(), [...kept, ...moved.map((i) => `e/${i}`)].toSorted())
  }
})
