/** What does not fit is not begun. */
import test from 'brittle'
import { FreeSpace, type FileSystemSpace } from '../../daemon/disk/free-space.ts'
import { errnoOf, messageOf } from '../../base/errors.ts'

const MIB = 1024 * 1024

function space(freeMib: number, sizeMib = 1000): FileSystemSpace {
  return { blocks: sizeMib, bavail: freeMib, bsize: MIB }
}

async function refusal(work: Promise<void>): Promise<string | null> {
  return await work.then(() => null, (error: unknown) => `${errnoOf(error)} ${messageOf(error)}`)
}

test('a content that would not leave the reserve is refused with the numbers', async (t) => {
  const free = new FreeSpace('', () => Promise.resolve(space(100)))
  t.is(await refusal(free.admit(90 * MIB, 0)), null, 'a hundredth of the disk is left')
  t.is(await refusal(new FreeSpace('', () => Promise.resolve(space(100))).admit(91 * MIB, 0)), 'ENOSPC the disk has no room: 91.0 MiB are needed, 100.0 MiB are free, and 10.0 MiB are left for other programs; free space')
})

test('what others will still write counts, and so does what was begun since the disk was asked', async (t) => {
  let now = 0
  const free = new FreeSpace('', () => Promise.resolve(space(100)), () => now)
  t.ok(await refusal(free.admit(50 * MIB, 41 * MIB)))
  t.absent(await refusal(free.admit(50 * MIB, 40 * MIB)))
  let asked = 0
  const counted = new FreeSpace('', () => {
    asked++
    return Promise.resolve(space(100))
  }, () => now)
  for (let i = 0; i < 9; i++) t.absent(await refusal(counted.admit(MIB, 0)))
  t.is(asked, 1)
  now = 10_000
  t.absent(await refusal(counted.admit(MIB, 0)))
  t.is(asked, 2)
})

test('those that begin in one moment ask once, and what one takes the next has not', async (t) => {
  let asked = 0
  const disk = new FreeSpace('', async () => {
    asked++
    await Promise.resolve()
    return space(100)
  })
  const refusals = await Promise.all(Array.from({ length: 90 }, () => refusal(disk.admit(MIB, 0))))
  t.alike(refusals.filter((told) => told !== null), [])
  t.is(asked, 1)
  t.ok(await refusal(new FreeSpace('', () => Promise.resolve(space(100))).admit(91 * MIB, 0)))
  const both = await Promise.all([refusal(disk.admit(60 * MIB, 0)), refusal(disk.admit(60 * MIB, 0))])
  t.is(both.filter((told) => told === null).length, 1, 'together they do not fit')
})

test('freed space is seen at once', async (t) => {
  let free = 20
  const disk = new FreeSpace('', () => Promise.resolve(space(free)))
  t.ok(await refusal(disk.admit(50 * MIB, 0)))
  free = 100
  t.absent(await refusal(disk.admit(50 * MIB, 0)))
})

test('an empty file fits on a full disk', async (t) => {
  t.absent(await refusal(new FreeSpace('', () => Promise.resolve(space(0))).admit(0, 0)))
})

test('what is foreseen takes nothing of the room', async (t) => {
  const disk = new FreeSpace('', () => Promise.resolve(space(100)))
  t.is(await refusal(disk.foresee(91 * MIB, 0)), await refusal(disk.admit(91 * MIB, 0)))
  t.ok(await refusal(disk.foresee(50 * MIB, 41 * MIB)))
  for (let i = 0; i < 3; i++) t.absent(await refusal(disk.foresee(60 * MIB, 0)))
  t.absent(await refusal(disk.admit(60 * MIB, 0)))
})
