/** Folders on a network file system, or one that another process serves: what is asked of them may never be answered. */
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'brittle'
import type { Workers } from '../../base/workers.ts'
import { FarCalls, farMount, mountsIn, type Mount } from '../../daemon/disk/far.ts'
import { FarLane, FarWorkers } from '../../daemon/disk/far-lane.ts'

const MOUNTINFO = `21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /proc rw,nosuid - proc proc rw
30 21 0:40 / /mnt/nas rw,relatime shared:7 - nfs4 nas:/data rw,vers=4.2
31 21 0:41 / /mnt/my\\040phone rw - fuse.sshfs phone: rw
32 30 254:1 / /mnt/nas/local rw - ext4 /dev/vdb rw
33 21 0:42 / /auto rw - autofs systemd-1 rw
34 33 254:2 / /auto rw - xfs /dev/vdc rw
`

test('a path that leads to a file system which is no disk of this machine, also by symlinks; nothing is asked of that one', (t) => {
  const links: Record<string, string> = { '/home/u/nas': '/mnt/nas/u', '/home/u/up': '../../mnt/nas', '/home/u/docs': 'own', '/home/u/loop': 'loop' }
  const asked: string[] = []
  const far = (path: string): boolean =>
    farMount(path, mountsIn(MOUNTINFO), (at) => {
      asked.push(at)
      return links[at] ?? null
    }) !== null
  const paths = ['/home/u', '/mnt/nas', '/mnt/nas/u/x', '/mnt/my phone/a', '/mnt/nasty', '/home/u/nas/x', '/home/u/up/x', '/home/u/docs/x', '/home/u/loop/x', '/auto/x', '/mnt/nas/local/x', '/mnt', '/auto']
  t.alike(paths.filter(far), ['/mnt/nas', '/mnt/nas/u/x', '/mnt/my phone/a', '/home/u/nas/x', '/home/u/up/x', '/mnt/nas/local/x', '/mnt'], 'behind one that may hang all may, and so may a look at its name')
  t.absent(asked.some((at) => at.startsWith('/mnt/nas/') || at === '/mnt/nas'), 'not by a readlink either')
})

test('where all is on disks of this machine nothing is looked at', (t) => {
  const asked: string[] = []
  t.is(farMount('/a/b', [{ id: '1', point: '/', type: 'ext4' }, { id: '2', point: '/a', type: 'tmpfs' }], (at) => String(asked.push(at))), null)
  t.alike(asked, [])
})

test('four calls at once, and those that wait come in turn', async (t) => {
  const lane = new FarLane()
  const ends: (() => void)[] = []
  const begun: number[] = []
  const calls = Array.from({ length: 8 }, async (_, i) => {
    return await lane.run(async () => {
      begun.push(i)
      await new Promise<void>((resolve) => ends.push(resolve))
      if (i === 0) throw new Error('no')
      return i
    })
  })
  await sleep(1)
  t.alike(begun, [0, 1, 2, 3])
  ends[0]?.()
  await t.exception(async () => await calls[0])
  await sleep(1)
  t.alike(begun, [0, 1, 2, 3, 4], 'one that failed makes room as well')
  for (let left = 8; left > 0; left--) {
    for (const end of ends) end()
    await sleep(1)
  }
  t.alike(await Promise.all(calls.slice(1)), [1, 2, 3, 4, 5, 6, 7])
})

test('no answer: it is told, nobody asks again until that one has come, and what came too late is given back', async (t) => {
  const lane = new FarLane()
  const late: string[] = []
  let answer: (text: string) => void = () => undefined
  let asked = 0
  const ask = async (): Promise<string | null> =>
    await lane.answered(async () => {
      asked++
      return await new Promise<string>((resolve) => (answer = resolve))
    }, (text) => void late.push(text), 20)
  t.is(await ask(), null)
  t.is(await ask(), null)
  t.is(asked, 1)
  answer('late')
  await sleep(1)
  t.alike(late, ['late'])
  const again = ask()
  answer('in time')
  t.is(await again, 'in time')
  t.alike(late, ['late'])
})

test('calls that are slow, and one that waits behind them, are no silence', async (t) => {
  const lane = new FarLane()
  const slow = Array.from({ length: 60 }, async () => await lane.run(async () => await sleep(100)))
  // Fifteen rounds of a tenth of a second come first.
  t.is(await lane.answered(async () => await lane.run(async () => await Promise.resolve('here')), () => t.fail('late'), 1000), 'here')
  await Promise.all(slow)
})

test('another mount in the place of one that hangs has its own calls', async (t) => {
  let text = MOUNTINFO
  const far = new FarCalls(() => mountsIn(text), 0)
  const lane = far.laneOf('/mnt/nas/u')
  await sleep(2)
  t.is(far.laneOf('/mnt/nas/u'), lane)
  text = MOUNTINFO.replace('30 21', '77 21')
  await sleep(2)
  t.not(far.laneOf('/mnt/nas/u'), lane)
})

test('calls find their lane by path and by descriptor, until it is closed; a mode is no descriptor', (t) => {
  const mounts: Mount[] = [...mountsIn(MOUNTINFO)]
  const far = new FarCalls(() => mounts)
  t.is(far.laneFor([7]), null)
  const lane = far.laneOf('/mnt/nas/u')
  if (lane === null) return t.fail('no lane')
  t.is(far.laneOf('/home/u'), null)
  far.opened(7, lane)
  const calls: readonly (readonly unknown[])[] = [[7], ['/proc/self/fd/7/name', 0o644], ['/proc/self/fd/9/a', '/proc/self/fd/7/b'], ['/mnt/nas/u'], ['/mnt/nas/u/x']]
  t.alike(calls.map((values) => far.laneFor(values) === lane), [true, true, true, true, true])
  const others: readonly (readonly unknown[])[] = [[8, 7], ['/proc/self/fd/8/name', 7], ['/proc/self/fd/71/name'], ['/mnt/nas/u2'], [Buffer.alloc(1)]]
  t.alike(others.map((values) => far.laneFor(values)), [null, null, null, null, null])
  far.closing(7)
  t.is(far.laneFor([7]), null)
})

test('calls that are given up fail, and nothing is asked before all of them have come back', async (t) => {
  const far = new FarCalls(() => mountsIn(MOUNTINFO))
  const lane = far.laneOf('/mnt/nas/u') as FarLane
  const ends: (() => void)[] = []
  const done: string[] = []
  const hang = async (): Promise<void> => await new Promise<void>((resolve) => ends.push(resolve))
  const codeOf = async (call: Promise<unknown>): Promise<unknown> => await call.then(() => 'done', (error: NodeJS.ErrnoException) => error.code)
  const calls = [...Array.from({ length: 6 }, () => lane.run(hang)), lane.task(hang)].map(codeOf)
  const closing = lane.last(async () => await Promise.resolve(void done.push('closed')))
  t.is(await far.answers('/mnt/nas/u', sleep(10_000, null, { ref: false }), 30), false)
  t.ok(far.silentMs('/mnt/nas/u') >= 30)
  far.cut('/mnt/nas/u')
  t.alike(await Promise.all(calls), Array.from({ length: 7 }, () => 'ETIMEDOUT'), 'those that waited for their turn, too')
  await closing
  const free = far.free('/mnt/nas/u').then(() => done.push('free'))
  t.is(await codeOf(lane.run(async () => await Promise.resolve(done.push('asked')))), 'ETIMEDOUT')
  t.is(far.laneOf('/mnt/nas/u'), lane, 'nobody else may ask either')
  for (const end of ends.slice(1)) end()
  await sleep(1)
  t.alike([ends.length, done], [5, []], 'one has not come back')
  ends[0]?.()
  await free
  t.alike(done, ['closed', 'free'])
  t.not(far.laneOf('/mnt/nas/u'), lane)
  t.is(await codeOf((far.laneOf('/mnt/nas/u') as FarLane).run(async () => await Promise.resolve())), 'done')
})

test('a folder on a disk of this machine below one that was given up is asked, and another mount in its place is not, as long as calls of before may come', async (t) => {
  let text = `${MOUNTINFO}35 21 0:44 / /srv/nfs rw - nfs4 nas:/srv rw\n`
  const far = new FarCalls(() => mountsIn(text), 0)
  const lane = far.laneOf('/srv') as FarLane
  t.is(far.laneFor(['/srv/local']), lane, 'by its root')
  t.is(far.laneOf('/srv/local'), null)
  t.is(far.laneFor(['/srv/local/x']), null)
  let end: () => void = () => undefined
  lane.run(async () => await new Promise<void>((resolve) => (end = resolve))).catch(() => undefined)
  await sleep(1)
  far.cut('/srv')
  text = text.replace('35 21', '78 21')
  await sleep(2)
  t.is(far.laneOf('/srv'), lane)
  end()
  await sleep(2)
  t.is(far.laneFor(['/srv/x']), null, 'it is over, and the folder gone')
  t.not(far.laneOf('/srv'), lane)
})

test('a look at any path of a disk that does not answer is given up, and nobody looks a second time before it has; paths of this machine, and those above, are looked at', async (t) => {
  const mounts: Mount[] = [{ id: '1', point: '/', type: 'ext4' }, { id: '2', point: '/mnt/nas', type: 'nfs4' }, { id: '3', point: '/mnt/other', type: 'nfs4' }]
  const far = new FarCalls(() => mounts)
  const lane = far.laneOf('/mnt/nas/docs') as FarLane
  for (const path of ['/mnt/nas/docs/x', '/mnt/nas/elsewhere']) {
    let begun = 0
    let end: (step: string) => void = () => undefined
    let late: Promise<unknown> = Promise.resolve()
    const look = async (mayGoOn: () => void): Promise<string> => {
      begun++
      const answer = new Promise<string>((resolve) => (end = resolve))
      late = answer.then(mayGoOn)
      await late
      return await answer
    }
    await t.exception(async () => await far.inTime(path, look, 30), /does not answer/)
    await t.exception(async () => await far.inTime(path, look, 30), /does not answer/)
    t.is(begun, 1)
    t.is(lane.isBusy, path === '/mnt/nas/docs/x', 'a path in a folder is one of its calls')
    for (const other of ['/mnt', '/mnt/x', '/mnt/other/x', '/home/u']) t.is(await far.inTime(other, async () => await Promise.resolve(other), 30), other)
    end('late')
    await t.exception(async () => await late, /does not answer/, 'it goes no further')
    await sleep(1)
    t.is(await far.inTime(path, async () => await Promise.resolve('now'), 30), 'now')
  }
  await t.exception(async () => await far.inTime('/mnt/nas/x', async () => await Promise.reject(new Error('ENOENT'))), /ENOENT/)
})

test('descriptors of what was given up are closed one at a time', async (t) => {
  const lane = new FarLane()
  let end: () => void = () => undefined
  lane.run(async () => await new Promise<void>((resolve) => (end = resolve))).catch(() => undefined)
  await sleep(1)
  lane.cut()
  const ends: (() => void)[] = []
  for (let i = 0; i < 3; i++) await lane.last(async () => await new Promise<void>((resolve) => ends.push(resolve)))
  end()
  for (let begun = 1; begun <= 3; begun++) {
    await sleep(2)
    t.is(ends.length, begun)
    ends.at(-1)?.()
  }
})

test('work that goes on is waited for: slow calls, none at all, and what it ends with', async (t) => {
  const far = new FarCalls(() => mountsIn(MOUNTINFO))
  const lane = far.laneOf('/mnt/nas/u') as FarLane
  const slow = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) await lane.run(async () => await sleep(30))
    await sleep(120)
  }
  t.is(await far.answers('/mnt/nas/u', slow(), 80), true)
  t.is(await far.answers('/home/u', sleep(30), 10), true, 'on a disk of this machine for ever')
  await t.exception(async () => await far.answers('/mnt/nas/u', Promise.reject(new Error('no'))), /no/)
})

test('such a folder has one of the threads at once', async (t) => {
  const ends: (() => void)[] = []
  const workers: Workers = {
    size: 4,
    queued: 0,
    run: async <Output>(): Promise<Output> => {
      await new Promise<void>((resolve) => ends.push(resolve))
      return ends.length as Output
    }
  }
  const lane = new FarLane()
  let laneNow: FarLane | null = lane
  const some = new FarWorkers(workers, () => laneNow)
  const module = new URL('file:///x')
  const first = some.run(module, 1)
  const second = some.run(module, 2)
  await sleep(1)
  t.alike([ends.length, some.size, some.queued], [1, 1, 1])
  laneNow = null
  const third = some.run(module, 3)
  await sleep(1)
  t.alike([ends.length, some.size], [2, 4], 'another one does not wait for it')
  for (const end of ends) end()
  await Promise.all([first, third])
  await sleep(1)
  ends.at(-1)?.()
  await second
  t.is(some.queued, 0)
})
