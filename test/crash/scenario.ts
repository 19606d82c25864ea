/**
 * One canonical sync below a directory of its own: what stands there before, what the users of both devices then do within a moment,
 * and what must stand everywhere at the end. Every content is made for its run, so that what is lost or mixed shows by its hash.
 */
import { appendFileSync, chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Random } from '../fakes/random.ts'
import { linkContent, sha256 } from '../chaos/ledger.ts'

const LARGE_BYTES = 3 * 1024 * 1024 + 17
const MEDIUM_BYTES = 200_000
/** New small files that are staged together. */
const MANY = 40

/** A content that must exist at the end, and whether it must be live. */
interface Kept {
  readonly what: string
  readonly live: boolean
}

export class Scenario {
  /** The directory's name in the folder. */
  readonly name: string
  readonly #random: Random
  readonly #a: string
  readonly #b: string
  /** Path → content, null for a directory; what both trees hold at the end, but for who won the conflict. */
  readonly final = new Map<string, Buffer | null>()
  /** The two contents that meet at one name. */
  readonly rivals: Buffer[] = []
  readonly kept = new Map<string, Kept>()
  /** Every content that a user wrote. */
  readonly #written: Buffer[] = []

  constructor(name: string, a: string, b: string, random: Random) {
    this.name = name
    this.#a = join(a, name)
    this.#b = join(b, name)
    this.#random = random
  }

  /** Whether a user wrote it, or had written so much of it at some moment. */
  isKnown(content: Buffer): boolean {
    return this.#written.some((written) => written.subarray(0, content.length).equals(content))
  }

  /** On the first device; to be synced before `act`. */
  prepare(): void {
    for (const path of ['edited', 'saved', 'renamed', 'deleted', 'moved/inner', 'to-directory', 'to-link', 'chmod', 'both', 'their-edit', 'their-delete', 'gone/one', 'gone/two', 'to-file/inner', 'swap-1', 'swap-2']) this.#write(this.#a, path, this.#text(path))
    this.#write(this.#a, 'appended', this.#bytes(MEDIUM_BYTES))
    this.#write(this.#a, 'edited-large', this.#bytes(LARGE_BYTES))
    symlinkSync('before', join(this.#a, 'link'))
    this.final.set('link', linkContent('before'))
  }

  /** All at once; the daemons have no moment in between. */
  act(): void {
    // Two users meet: nothing says which content came first.
    this.#rival(this.#a)
    this.#rival(this.#b)
    this.#theirs()
    this.#contents()
    this.#names()
    this.#kinds()
    this.#write(this.#a, 'large', this.#bytes(LARGE_BYTES))
  }

  #theirs(): void {
    this.#write(this.#b, 'their-new', this.#text('their-new'))
    this.#write(this.#b, 'their-edit', this.#text('their-edit again'))
    this.#remove(this.#b, 'their-delete')
  }

  #contents(): void {
    this.#write(this.#a, 'new', this.#text('new'))
    this.#write(this.#a, 'deep/er/new', this.#text('deep'))
    this.#write(this.#a, 'empty', Buffer.alloc(0))
    for (let i = 0; i < MANY; i++) this.#write(this.#a, `many/${i}`, this.#text(`one of many ${i}`))
    this.#write(this.#a, 'edited', this.#text('edited again'))
    const more = this.#text('more')
    this.#replaces('appended', Buffer.concat([this.final.get('appended') ?? Buffer.alloc(0), more]))
    appendFileSync(join(this.#a, 'appended'), more)
    const large = Buffer.from(this.final.get('edited-large') ?? Buffer.alloc(0))
    this.#text('in the middle').copy(large, LARGE_BYTES >> 1)
    this.#write(this.#a, 'edited-large', large)
    const saved = this.#text('saved again')
    this.#replaces('saved', saved)
    writeFileSync(join(this.#a, '.saved.swp'), saved)
    renameSync(join(this.#a, '.saved.swp'), join(this.#a, 'saved'))
    chmodSync(join(this.#a, 'chmod'), 0o600)
  }

  #names(): void {
    this.#rename('renamed', 'renamed-to')
    this.#rename('moved/inner', 'moved-to/inner')
    rmSync(join(this.#a, 'moved'), { recursive: true })
    this.final.delete('moved')
    this.#rename('swap-1', 'swap-3')
    this.#rename('swap-2', 'swap-1')
    this.#rename('swap-3', 'swap-2')
    this.#remove(this.#a, 'deleted')
    this.#remove(this.#a, 'gone/one')
    this.#remove(this.#a, 'gone/two')
    rmSync(join(this.#a, 'gone'), { recursive: true })
    this.final.delete('gone')
  }

  #kinds(): void {
    this.#remove(this.#a, 'to-directory')
    this.#write(this.#a, 'to-directory/inside', this.#text('inside'))
    this.#remove(this.#a, 'to-file/inner')
    rmSync(join(this.#a, 'to-file'), { recursive: true })
    this.final.delete('to-file')
    this.#write(this.#a, 'to-file', this.#text('to-file'))
    this.#remove(this.#a, 'to-link')
    symlinkSync('nowhere', join(this.#a, 'to-link'))
    this.final.set('to-link', linkContent('nowhere'))
    unlinkSync(join(this.#a, 'link'))
    this.final.delete('link')
    this.#write(this.#a, 'link', this.#text('link'))
  }

  /** Old content of a name: must be in history at least, for another device had it. */
  #replaces(path: string, next: Buffer | null): void {
    const old = this.final.get(path)
    if (old !== undefined && old !== null) this.kept.set(sha256(old), { what: `${path} before`, live: false })
    if (next === null) this.final.delete(path)
    else {
      this.final.set(path, next)
      this.#written.push(next)
      this.kept.set(sha256(next), { what: path, live: true })
    }
  }

  #write(root: string, path: string, content: Buffer): void {
    for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) this.final.set(parent, null)
    this.#replaces(path, content)
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }

  #rival(root: string): void {
    const content = this.#text(`rival ${this.rivals.length}`)
    // What stood there before went by the hand of users on both devices.
    this.kept.delete(sha256(this.final.get('both') ?? Buffer.alloc(0)))
    this.final.delete('both')
    this.rivals.push(content)
    this.#written.push(content)
    this.kept.set(sha256(content), { what: 'both', live: true })
    writeFileSync(join(root, 'both'), content)
  }

  #remove(root: string, path: string): void {
    this.#replaces(path, null)
    unlinkSync(join(root, path))
  }

  #rename(from: string, to: string): void {
    const content = this.final.get(from) ?? Buffer.alloc(0)
    this.final.delete(from)
    for (let parent = dirname(to); parent !== '.'; parent = dirname(parent)) this.final.set(parent, null)
    this.final.set(to, content)
    mkdirSync(dirname(join(this.#a, to)), { recursive: true })
    renameSync(join(this.#a, from), join(this.#a, to))
  }

  #text(what: string): Buffer {
    return Buffer.from(`${this.name} ${what} ${this.#random.next()}\n${'.'.repeat(this.#random.below(200))}`)
  }

  #bytes(size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size)
    for (let at = 0; at + 4 <= size; at += 4) bytes.writeInt32LE((this.#random.next() * 0x1_0000_0000) | 0, at)
    return bytes
  }
}
