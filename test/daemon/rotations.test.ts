/** A new drive that is made beside the running folder: when it takes over, and what becomes of one that cannot. */
import test from 'brittle'
import type { Drives } from '../../daemon/drive/drives.ts'
import type { FolderHost } from '../../daemon/host.ts'
import type { GroupFolder } from '../../daemon/net/group.ts'
import type { OwnDrives } from '../../daemon/own-drives.ts'
import { Rotations } from '../../daemon/rotations.ts'
import type { FolderId } from '../../daemon/sync/ids.ts'
import { FakeClock } from '../fakes/clock.ts'
import { FakeLog } from '../fakes/log.ts'

const ID = 'f'.repeat(64) as FolderId

/** A folder whose drive `old` has so many blocks, and what is done with it, in order. */
class Bench {
  readonly clock = new FakeClock()
  readonly done: string[] = []
  length = 1_000
  quiet = true
  activity = 'idle'
  offered = false
  key = 'old'
  mayTakeOver = true
  isPrepared = true
  /** What goes wrong in the middle of taking over: before the group hears of it, or after. */
  fails: 'before' | 'after' | null = null
  /** The drive of the folder that was opened in place of the first. */
  reopened: string | null = null
  during: () => void = () => undefined
  readonly host: FolderHost = hostOf(this)
  readonly rotations: Rotations

  constructor() {
    const next = {
      key: 'next',
      follow: async (_former: unknown, from: number) => {
        const until = this.length
        this.during()
        this.done.push(`follows ${from}-${until}`)
        return until
      }
    }
    const prepared = { source: {}, own: next, mayTakeOver: () => this.mayTakeOver, announce: async () => void this.done.push('tells') }
    this.rotations = new Rotations({
      clock: this.clock,
      log: new FakeLog(({ level, message }) => void (level === 'warn' && this.done.push(message))),
      ownDrives: () => ({ prepare: async () => (this.isPrepared ? prepared : null), rotate: async (_folder: unknown, _at: unknown, { blobs }: { blobs: unknown }) => void this.done.push(`rotates, blobs ${String(blobs)}`) }) as unknown as OwnDrives,
      drives: () => ({ isOffered: this.offered, closeDrive: async (key: string) => void this.done.push(`closes ${key}`) }) as unknown as Drives,
      host: () => (this.reopened === null ? this.host : ({ driveKey: this.reopened }) as FolderHost),
      folder: () => ({ id: ID, name: 'docs' }) as GroupFolder,
      mayRotate: () => true,
      inTurn: async (work) => await work(),
      close: async () => void this.done.push('closes the folder'),
      reopen: async () => {
        this.done.push('opens the folder')
        // It chooses the drive of which the group has heard.
        this.reopened = this.fails === 'after' ? 'next' : null
      },
      refresh: () => undefined,
      rotated: () => undefined
    })
  }

  /** What was done within so many milliseconds. */
  async after(ms: number): Promise<string[]> {
    await this.clock.run(ms)
    return this.done.splice(0)
  }
}

function hostOf(bench: Bench): FolderHost {
  const own = {
    key: 'old',
    writer: 'w',
    blobsKey: 'b',
    get length() {
      return bench.length
    }
  }
  // SAFETY: all that is seen of it here.
  return {
    id: ID,
    name: 'docs',
    closing: false,
    own,
    index: { own: {}, totals: { bytes: 1 } },
    get driveKey() {
      return bench.key
    },
    get folder() {
      return { quiet: bench.quiet, activity: bench.activity }
    },
    handOver: async (_source: unknown, _next: unknown, tell: () => Promise<void>) => {
      if (bench.fails === 'before') throw new Error('refused')
      await tell()
      if (bench.fails === 'after') throw new Error('no room')
      bench.key = 'next'
      bench.done.push('takes over')
      return true
    }
  } as unknown as FolderHost
}

test('a new drive takes over at once where nobody works, with what was stated while it was made', async (t) => {
  const bench = new Bench()
  bench.rotations.compact(bench.host, false)
  t.absent(bench.rotations.isQuiet(bench.host), 'no second one is made beside it')
  t.alike(await bench.after(10), ['follows 0-1000', 'follows 1000-1000', 'follows 1000-1000', 'tells', 'takes over'])
  t.ok(bench.rotations.isQuiet(bench.host))
})

test('it follows while somebody works, takes over when he rests, and catches up at the very end', async (t) => {
  const bench = new Bench()
  bench.quiet = false
  bench.during = () => void (bench.length += 100)
  bench.rotations.compact(bench.host, false)
  t.alike((await bench.after(1_500)).slice(0, 3), ['follows 0-1000', 'follows 1000-1100', 'follows 1100-1200'])
  bench.during = () => undefined
  bench.quiet = true
  t.absent((await bench.after(4_000)).includes('tells'), 'a moment is no rest')
  t.alike((await bench.after(4_000)).slice(-3), ['follows 1300-1300', 'tells', 'takes over'])
})

test('who never rests gets it in the middle of his work, but not while a stock reader has the old one, nor while the folder is paused', async (t) => {
  for (const hinder of ['nobody', 'reader', 'pause'] as const) {
    const bench = new Bench()
    bench.quiet = false
    bench.offered = hinder === 'reader'
    if (hinder === 'pause') bench.activity = 'paused'
    bench.rotations.compact(bench.host, false)
    t.absent((await bench.after(9 * 60_000)).includes('tells'))
    t.is((await bench.after(2 * 60_000)).includes('takes over'), hinder === 'nobody', hinder)
    bench.offered = false
    bench.activity = 'idle'
    t.is((await bench.after(2_000)).includes('takes over'), hinder !== 'nobody')
  }
})

test('one that cannot take over is closed; where the group had heard of it the folder is opened anew', async (t) => {
  for (const [fails, may, wanted] of [
    ['before', true, ['closes next', 'a smaller drive could not be made']],
    ['after', true, ['follows 1000-1000', 'tells', 'closes the folder', 'opens the folder', 'a smaller drive could not be made']],
    [null, false, ['closes next', 'a smaller drive could not be made']]
  ] as const) {
    const bench = new Bench()
    bench.fails = fails
    bench.mayTakeOver = may
    bench.rotations.compact(bench.host, false)
    t.alike((await bench.after(3_000)).slice(2), [...wanted])
    t.ok(bench.rotations.isQuiet(bench.host), 'it is tried again')
  }
})

test('with the folder closed: where all content is read again, or nothing can be made beside it', async (t) => {
  for (const anew of [true, false]) {
    const bench = new Bench()
    bench.isPrepared = false
    bench.rotations.compact(bench.host, anew)
    t.alike(await bench.after(10), ['closes the folder', `rotates, blobs ${anew ? 'null' : 'b'}`, 'opens the folder'])
  }
})
