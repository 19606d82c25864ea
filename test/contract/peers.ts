/** What `FolderPeers` must do between two devices, by the words of daemon/ports.ts. Runs on the fake and on the real one. */
import test, { type Assert } from 'brittle'
import type { FolderPeers, FolderReport, FreshFile } from '../../daemon/ports.ts'
import { chunkId } from '../../daemon/sync/content.ts'
import type { DeviceId, DriveKey, ObjectId } from '../../daemon/sync/ids.ts'

/** One of two devices that have the same folder. */
export interface PeersEnd {
  readonly device: DeviceId
  readonly peers: FolderPeers
  /** What another device sent it ahead of statements. */
  readonly came: readonly FreshFile[]
  /** What it answers with. */
  serve: (id: ObjectId) => Promise<Buffer | null>
  settle: (signal: AbortSignal) => Promise<FolderReport>
}

export interface PeersBench {
  readonly a: PeersEnd
  readonly b: PeersEnd
  connect(): Promise<void>
  disconnect(): Promise<void>
  /** Resolves when it holds; looks again whenever one of them was told something. */
  until(condition: () => boolean): Promise<void>
}

const NEVER = new AbortController().signal

export function peersContract(name: string, makeBench: (t: Assert) => Promise<PeersBench>): void {
  const check = (what: string, run: (t: Assert, bench: PeersBench) => Promise<void>): void => {
    test(`${name} peers: ${what}`, async (t) => await run(t, await makeBench(t)))
  }

  check('a report reaches those who are connected, the latest wins', async (t, bench) => {
    await connected(bench)
    t.is(reportOf(bench.b, bench.a), null)
    for (const length of [1, 2, 3]) bench.a.peers.report(report(length))
    await bench.until(() => reportOf(bench.b, bench.a)?.length === 3)
    t.alike(reportOf(bench.b, bench.a), report(3))
    t.is(reportOf(bench.a, bench.b), null)
  })

  check('who connects later is told the latest report', async (t, bench) => {
    bench.a.peers.report(report(1))
    bench.a.peers.report(report(2))
    t.alike(bench.b.peers.connected(), [])
    await connected(bench)
    await bench.until(() => reportOf(bench.b, bench.a) !== null)
    t.alike(reportOf(bench.b, bench.a), report(2))
  })

  check('who left is connected no more', async (t, bench) => {
    await connected(bench)
    await bench.disconnect()
    await bench.until(() => bench.a.peers.connected().length === 0 && bench.b.peers.connected().length === 0)
    t.pass()
  })

  check('nothing goes ahead of a drive that the others do not have', async (t, bench) => {
    await connected(bench)
    bench.a.peers.ahead('d'.repeat(64) as DriveKey, [{ bytes: Buffer.from('few'), mode: 0o644, mtime: '0' }])
    bench.a.peers.report(report(1))
    await bench.until(() => reportOf(bench.b, bench.a) !== null)
    t.alike(bench.b.came, [])
  })

  check('each object is answered once, what is not there with null', async (t, bench) => {
    const objects = contents('one', 'two', 'three')
    bench.b.serve = async (id) => objects.get(id) ?? null
    await connected(bench)
    const missing = idOf('nowhere')
    const got: [ObjectId, string | null][] = []
    await bench.a.peers.want(bench.b.device, [...objects.keys(), missing], (id, data) => got.push([id, data?.toString() ?? null]), NEVER)
    t.alike(got.sort(byId), [...[...objects].map(([id, data]): [ObjectId, string] => [id, data.toString()]), [missing, null] as [ObjectId, null]].sort(byId))
    await bench.a.peers.want(bench.b.device, [], () => t.fail('nothing was asked for'), NEVER)
  })

  check('many wants at once do not mix', async (t, bench) => {
    const texts = Array.from({ length: 60 }, (_, i) => `object ${i} ${'.'.repeat(i * 50)}`)
    const objects = contents(...texts)
    bench.b.serve = async (id) => objects.get(id) ?? null
    await connected(bench)
    const ids = [...objects.keys()]
    const got = await Promise.all(
      [0, 1, 2].map(async (part) => {
        const mine = new Map<ObjectId, string>()
        await bench.a.peers.want(bench.b.device, ids.filter((_, i) => i % 3 === part), (id, data) => mine.set(id, data?.toString() ?? ''), NEVER)
        return mine
      })
    )
    t.alike(got.map((mine) => mine.size), [20, 20, 20])
    for (const mine of got) for (const [id, text] of mine) t.is(text, objects.get(id)?.toString())
  })

  check('a device that fails to answer one object does not keep the others', async (t, bench) => {
    const objects = contents('one', 'two')
    const bad = idOf('bad')
    bench.b.serve = async (id) => {
      if (id === bad) throw new Error('cannot read')
      return objects.get(id) ?? null
    }
    await connected(bench)
    const got = new Map<ObjectId, Buffer | null>()
    await bench.a.peers.want(bench.b.device, [bad, ...objects.keys()], (id, data) => got.set(id, data), NEVER)
    t.is(got.get(bad), null)
    t.is([...got.values()].filter((data) => data !== null).length, 2)
  })

  check('a want rejects when the connection ends', async (t, bench) => {
    const asked = signalled()
    bench.b.serve = () => {
      asked.fire()
      return new Promise(() => undefined)
    }
    await connected(bench)
    const wanted = bench.a.peers.want(bench.b.device, [idOf('x')], () => undefined, NEVER)
    const rejected = t.exception(wanted, /./)
    await bench.until(() => asked.fired)
    await bench.disconnect()
    await rejected
    await t.exception(bench.a.peers.want(bench.b.device, [idOf('x')], () => undefined, NEVER), /./)
  })

  check('a want rejects when it is given up, and nothing comes after', async (t, bench) => {
    const asked = signalled()
    let answer: (data: Buffer) => void = () => undefined
    bench.b.serve = () => {
      asked.fire()
      return new Promise((resolve) => (answer = resolve))
    }
    await connected(bench)
    const abort = new AbortController()
    const rejected = t.exception(bench.a.peers.want(bench.b.device, [idOf('x')], () => t.fail('too late'), abort.signal), /./)
    await bench.until(() => asked.fired)
    abort.abort()
    await rejected
    answer(Buffer.from('x'))
    bench.b.serve = async () => Buffer.from('next')
    await bench.a.peers.want(bench.b.device, [idOf('next')], (_id, data) => t.is(data?.toString(), 'next'), NEVER)
  })

  check('a device that was asked to settle answers with its report', async (t, bench) => {
    bench.b.settle = async () => report(9)
    await connected(bench)
    t.alike(await bench.a.peers.settle(bench.b.device, NEVER), report(9))
  })

  check('settling rejects when the connection ends', async (t, bench) => {
    const asked = signalled()
    bench.b.settle = () => {
      asked.fire()
      return new Promise(() => undefined)
    }
    await connected(bench)
    const rejected = t.exception(bench.a.peers.settle(bench.b.device, NEVER), /./)
    await bench.until(() => asked.fired)
    await bench.disconnect()
    await rejected
  })
}

async function connected(bench: PeersBench): Promise<void> {
  await bench.connect()
  await bench.until(() => bench.a.peers.connected().length === 1 && bench.b.peers.connected().length === 1)
}

function reportOf(end: PeersEnd, of: PeersEnd): FolderReport | null {
  return end.peers.connected().find((peer) => peer.device === of.device)?.report ?? null
}

function report(length: number): FolderReport {
  return { state: 'idle', dirty: false, drive: 'd'.repeat(64) as DriveKey, length, blocked: ['a/ä'] }
}

function idOf(text: string): ObjectId {
  return chunkId(Buffer.from(text)) as string as ObjectId
}

function contents(...texts: string[]): Map<ObjectId, Buffer> {
  return new Map(texts.map((text) => [idOf(text), Buffer.from(text)]))
}

function byId(a: readonly [ObjectId, unknown], b: readonly [ObjectId, unknown]): number {
  return a[0] < b[0] ? -1 : 1
}

function signalled(): { fired: boolean; fire(): void } {
  const signal = { fired: false, fire: () => void (signal.fired = true) }
  return signal
}
