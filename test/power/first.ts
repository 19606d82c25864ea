/**
 * Power cuts in the first minute of a device: its daemon starts for the first time and watches a folder that is full already, written
 * down call by call. After a cut at some moment it must start, take the folder (again, if it was not told yet that it has), touch no
 * file, and find nothing wrong with itself.
 */
import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkDoctor, checkDrafts, checkLog, checkStaging } from '../chaos/check.ts'
import { createWorld, Device, type Scope } from '../e2e/harness.ts'
import { differences, treeOf, waitFor, type Tree } from '../e2e/tree.ts'
import { Random } from '../fakes/random.ts'
import { readJournal, type Op } from '../shim/journal.ts'
import { Shim } from '../shim/shim.ts'
import { asOfThisDisk, roundTimes } from './disks.ts'
import { Disk } from './model.ts'

const FILES = 25
const LARGE_BYTES = 2 * 1024 * 1024 + 5
const IDLE_MS = 40_000

export class FirstStartRig {
  readonly #device: Device
  readonly #before: Tree
  readonly #disk: Disk
  readonly #journal: readonly Op[]
  /** Its id, and when it had said so. */
  readonly #told: { readonly id: string; readonly seq: number }

  private constructor(device: Device, before: Tree, disk: Disk, journal: readonly Op[], told: { readonly id: string; readonly seq: number }) {
    this.#told = told
    this.#device = device
    this.#before = before
    this.#disk = disk
    this.#journal = journal
  }

  static async create(scope: Scope): Promise<FirstStartRig> {
    const world = await createWorld(scope)
    const place = new Device(scope, world, 'first')
    fill(place)
    const shim = new Shim(place.beside('shim'))
    scope.teardown(() => shim.close(), { order: 2000 })
    const device = new Device(scope, world, 'first', shim.environment(place.path(), place.home))
    device.onLog = (text) => appendFileSync(device.beside('log'), text)
    const before = await treeOf(device.path())
    const disk = new Disk([device.path(), device.home])
    shim.record(true)
    await device.start()
    const told = { id: await idOf(device), seq: readJournal(shim.journal()).at(-1)?.seq ?? 0 }
    await device.add()
    await idle(device)
    await device.kill9()
    shim.record(false)
    return new FirstStartRig(device, before, disk, readJournal(shim.journal()), told)
  }

  get calls(): number {
    return this.#journal.length
  }

  /** `share` of all calls had happened. */
  async run(share: number, seed: string): Promise<string[]> {
    const device = this.#device
    await device.kill9()
    const last = this.#journal.at(-1)?.seq ?? 0
    this.#disk.restore(this.#journal.filter((op) => op.seq <= share * last), new Random(seed))
    asOfThisDisk(device.home)
    writeFileSync(device.beside('log'), '')
    try {
      await device.start()
      if ((await device.call('status.get', {})).folders.length === 0) await device.add()
      await idle(device)
      const isOther = share * last >= this.#told.seq && (await idOf(device)) !== this.#told.id
      return [...(isOther ? ['the device has another key than it had told'] : []), ...(await this.#judged())]
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)]
    }
  }

  async #judged(): Promise<string[]> {
    const device = this.#device
    const wrong = differences(this.#before, await treeOf(device.path())).map((line) => `a file of the user changed: ${line}`)
    const folder = (await device.call('status.get', {})).folders[0]
    if (folder?.files !== FILES + 2) wrong.push(`${folder?.files} files are known`)
    wrong.push(...checkStaging(device), ...checkDrafts(device), ...checkLog(device, readFileSync(device.beside('log'), 'utf8')), ...(await checkDoctor(device)))
    for (const name of readdirSync(join(device.home, 'state'))) if (name.includes('damaged')) wrong.push('the store was set aside')
    return wrong
  }
}

function fill(device: Device): void {
  mkdirSync(device.home, { recursive: true })
  mkdirSync(device.path('directory', 'inner'), { recursive: true })
  for (let i = 0; i < FILES; i++) writeFileSync(device.path(i % 2 === 0 ? 'directory/inner' : '.', `${i}.txt`), `file ${i}\n`)
  writeFileSync(device.path('large'), randomBytes(LARGE_BYTES))
  symlinkSync('large', device.path('link'))
  roundTimes(device.path())
}

/** Asked anew: `Device` remembers. */
async function idOf(device: Device): Promise<string> {
  return (await device.call('status.get', {})).device.id
}

async function idle(device: Device): Promise<void> {
  await waitFor('the folder is idle', async () => {
    const folder = (await device.call('status.get', {})).folders[0]
    return folder?.state === 'idle' && folder.files === FILES + 2
  }, IDLE_MS)
}
