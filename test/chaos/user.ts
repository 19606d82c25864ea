/**
 * A user at one device's folder: random operations as programs do them. Whatever a user takes away is moved into a trash beside the
 * folder, so that the ledger knows exactly which contents were given up, also when the daemon had just put another one there.
 */
import { randomFillSync } from 'node:crypto'
import { chmodSync, closeSync, constants, fstatSync, ftruncateSync, linkSync, lstatSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmdirSync, symlinkSync, unlinkSync, utimesSync, writeFileSync, writeSync, type Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { swap } from 'fs-native-extensions'
import { errnoOf } from '../../base/errors.ts'
import type { Random } from '../fakes/random.ts'
import { linkContent, sha256, type Ledger } from './ledger.ts'

const MIB = 1024 * 1024
const ODD_NAMES = ['with space.txt', 'new\nline.txt', 'back\\slash.txt', '🦊 emoji.md', `${'long'.repeat(63)}abc`, `${'é'.repeat(125)}.e`, '-rf', 'README.txt', 'readme.txt', '.hidden', 'a.b.c.tar.gz', '$(x)`y`', 'trailing. ', 'nfc-\u00e9', 'nfd-e\u0301', '~', 'CON', '%2e%2e', '"quoted"']
/** Few, so that devices meet on them. */
const SHARED = ['alpha.txt', 'beta.bin', 'gamma', 'delta.txt']
const DIRECTORIES = ['', '', '', 'one', 'two', 'one/inner', 'two/inner/deep', 'with space', 'new\nline', 'alpha.txt']
const MODES = [0o600, 0o644, 0o755, 0o444, 0o400, 0o700]

/** What a live tree does to a user's operation; no failure. */
const EXPECTED = new Set(['ENOENT', 'ENOTEMPTY', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ELOOP', 'EINVAL', 'ENAMETOOLONG', 'EXDEV'])

const WEIGHTS = { create: 18, save: 18, shared: 14, edit: 10, append: 7, slow: 4, large: 3, truncate: 2, remove: 10, removeAll: 3, rename: 12, move: 8, cycle: 2, moveDirectory: 5, mkdir: 4, link: 4, chmod: 6, touch: 5, retype: 4, copy: 3, duplicate: 2 } as const

export class User {
  readonly #name: string
  readonly #root: string
  readonly #trash: string
  readonly #drafts: string
  readonly #random: Random
  readonly #ledger: Ledger
  readonly #background = new Set<Promise<void>>()
  readonly journal: string[] = []
  #count = 0

  constructor(name: string, root: string, beside: string, random: Random, ledger: Ledger) {
    this.#name = name
    this.#root = root
    this.#trash = join(beside, 'trash')
    this.#drafts = join(beside, 'drafts')
    this.#random = random
    this.#ledger = ledger
    mkdirSync(this.#trash, { recursive: true })
    mkdirSync(this.#drafts, { recursive: true })
  }

  get trash(): string {
    return this.#trash
  }

  /** One random operation. What the live tree forbids is skipped. */
  async act(): Promise<void> {
    const kind = this.#random.weighted(WEIGHTS)
    try {
      await this.#do(kind)
    } catch (error) {
      if (!EXPECTED.has(errnoOf(error) ?? '')) throw error
    }
  }

  /** Slow writers are done. */
  async rest(): Promise<void> {
    await Promise.all(this.#background)
  }

  async #do(kind: keyof typeof WEIGHTS): Promise<void> {
    const random = this.#random
    switch (kind) {
      case 'create':
        return await this.#save(this.#newPath(), this.#text())
      case 'save':
        return await this.#save(this.#anyFile() ?? this.#newPath(), this.#text())
      case 'shared':
        return await this.#save(random.pick(SHARED), this.#text())
      case 'large':
        return await this.#save(random.chance(0.5) ? random.pick(SHARED) : this.#newPath(), this.#bytes(random.between(1, 6) * MIB + random.below(1000)))
      case 'edit':
        return this.#inPlace((old) => this.#edited(old))
      case 'append':
        return this.#inPlace((old) => Buffer.concat([old, this.#text()]))
      case 'truncate':
        return this.#inPlace(() => this.#text())
      case 'slow':
        return this.#slow()
      case 'remove':
        return this.#remove(this.#any())
      case 'removeAll':
        return this.#removeAll(this.#anyDirectory())
      case 'rename':
        return await this.#rename(this.#anyFile(), join(dirname(this.#anyFile() ?? ''), this.#newName()))
      case 'move':
        return await this.#rename(this.#anyFile(), random.chance(0.5) ? this.#newPath() : join(random.pick(DIRECTORIES), basename(this.#anyFile() ?? 'x')))
      case 'cycle':
        return await this.#cycle()
      case 'moveDirectory':
        return this.#moveDirectory()
      case 'mkdir':
        return void mkdirSync(this.#at(join(random.pick(DIRECTORIES), this.#newName())), { recursive: true })
      case 'link':
        return await this.#link()
      case 'chmod':
        return this.#chmod()
      case 'touch':
        return this.#touch()
      case 'retype':
        return await this.#retype()
      case 'copy':
        return await this.#copy()
      case 'duplicate':
        return await this.#save(random.pick(SHARED), Buffer.from('the same on all devices\n'))
    }
  }

  // ------------------------------------------------------------------------------------------- operations

  /** Written beside, then put in the place of what is there, whatever it is at that instant. */
  async #save(path: string, content: Buffer): Promise<void> {
    const draft = join(this.#drafts, `${this.#count++}`)
    writeFileSync(draft, content)
    this.#ledger.wrote(`${this.#name}:${JSON.stringify(path)}`, content)
    if (!(await this.#put(draft, path))) this.#ledger.gave(sha256(content))
    this.#note('save', path, sha256(content).slice(0, 8))
  }

  /** @returns false if it found no place. */
  async #put(draft: string, path: string): Promise<boolean> {
    this.#ledger.named(basename(path))
    const target = this.#at(path)
    try {
      this.#parents(path)
      if (isDirectory(target)) throw Object.assign(new Error('a directory'), { code: 'EISDIR' })
      for (let attempt = 0; attempt < 5; attempt++) {
        if (take(() => linkSync(draft, target))) {
          unlinkSync(draft)
          return true
        }
        try {
          await swap(draft, target)
        } catch (error) {
          if (errnoOf(error) === 'ENOENT') continue
          throw error
        }
        this.#throwAway(draft)
        return true
      }
    } catch (error) {
      if (!EXPECTED.has(errnoOf(error) ?? '')) throw error
    }
    this.#throwAway(draft)
    return false
  }

  #inPlace(change: (old: Buffer) => Buffer): void {
    const path = this.#anyFile()
    if (path === null) return
    const fd = openSync(this.#at(path), constants.O_RDWR | constants.O_NOFOLLOW)
    try {
      const old = readAll(fd)
      if (old.length > 8 * MIB) return
      const next = change(old)
      this.#writeOver(fd, old, next, `${this.#name}:${JSON.stringify(path)}`)
      this.#note('edit', path, `${sha256(old).slice(0, 8)} -> ${sha256(next).slice(0, 8)}`)
    } finally {
      closeSync(fd)
    }
  }

  #writeOver(fd: number, old: Buffer, next: Buffer, where: string): void {
    this.#ledger.wrote(where, next)
    if (next.length < old.length) {
      this.#ledger.passed(old.subarray(0, next.length))
      ftruncateSync(fd, next.length)
    }
    let state = Buffer.from(old.subarray(0, Math.min(old.length, next.length)))
    for (let at = 0; at < next.length; at += MIB) {
      const part = next.subarray(at, at + MIB)
      if (part.equals(state.subarray(at, at + MIB))) continue
      writeSync(fd, part, 0, part.length, at)
      state = Buffer.concat([next.subarray(0, at + part.length), state.subarray(at + part.length)])
      this.#ledger.passed(state)
    }
    if (!old.equals(next)) this.#ledger.gave(sha256(old))
  }

  /** A program that writes for a while, through one descriptor. */
  #slow(): void {
    const path = this.#random.chance(0.5) ? this.#random.pick(SHARED) : (this.#anyFile() ?? SHARED[0] as string)
    this.#ledger.named(basename(path))
    this.#parents(path)
    const fd = openSync(this.#at(path), constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)
    const writing = this.#writeSlowly(fd, path).finally(() => {
      closeSync(fd)
      this.#background.delete(writing)
    })
    this.#background.add(writing)
  }

  async #writeSlowly(fd: number, path: string): Promise<void> {
    const pieces = this.#random.between(2, 12)
    for (let n = 0; n < pieces; n++) {
      const old = readAll(fd)
      if (old.length > 8 * MIB) return
      const part = this.#random.chance(0.3) ? this.#bytes(this.#random.between(1, 300_000)) : this.#text()
      const next = Buffer.concat([old, part])
      this.#ledger.wrote(`${this.#name}:slow:${JSON.stringify(path)}`, next)
      if (old.length > 0) this.#ledger.gave(sha256(old))
      writeSync(fd, part)
      this.#note('slow', path, `${sha256(old).slice(0, 8)} -> ${sha256(next).slice(0, 8)}`)
      await sleep(this.#random.between(1, 120))
    }
  }

  #remove(path: string | null): void {
    if (path === null || isDirectory(this.#at(path))) return
    this.#throwAway(this.#at(path))
    this.#note('remove', path, '')
  }

  #removeAll(directory: string | null): void {
    if (directory === null) return
    this.#note('removeAll', directory, '')
    for (let attempt = 0; attempt < 5; attempt++) {
      for (const name of readdirSync(this.#at(directory))) {
        const path = join(directory, name)
        if (isDirectory(this.#at(path))) this.#removeAll(path)
        else take(() => this.#throwAway(this.#at(path)))
      }
      if (take(() => rmdirSync(this.#at(directory)))) return
    }
  }

  async #rename(from: string | null, to: string): Promise<void> {
    if (from === null || from === to || isDirectory(this.#at(to))) return
    const held = join(this.#drafts, `${this.#count++}`)
    this.#ledger.named(basename(to))
    this.#parents(to)
    renameSync(this.#at(from), held)
    this.#note('rename', from, to)
    await this.#put(held, to)
  }

  async #cycle(): Promise<void> {
    const names = [this.#anyFile(), this.#anyFile(), this.#anyFile()].filter((path) => path !== null)
    const [first, second, third] = names
    if (first === undefined || second === undefined || third === undefined || new Set(names).size < 3) return
    this.#note('cycle', first, `${second} ${third}`)
    await swap(this.#at(first), this.#at(second))
    await swap(this.#at(second), this.#at(third))
  }

  #moveDirectory(): void {
    const from = this.#anyDirectory()
    if (from === null) return
    const to = join(this.#random.pick(DIRECTORIES), this.#random.chance(0.4) ? `moved-${this.#random.below(5)}` : basename(from))
    this.#ledger.named(basename(to))
    this.#parents(to)
    this.#note('moveDirectory', from, to)
    renameSync(this.#at(from), this.#at(to))
  }

  async #link(): Promise<void> {
    const path = this.#random.chance(0.3) ? this.#random.pick(SHARED) : this.#newPath()
    const target = this.#random.chance(0.2) ? '/proc/version' : `../nowhere-${this.#name}-${this.#count++}`
    const draft = join(this.#drafts, `${this.#count++}`)
    symlinkSync(target, draft)
    this.#ledger.wrote(`${this.#name}:${JSON.stringify(path)} (symlink)`, linkContent(target))
    if (!(await this.#put(draft, path))) this.#ledger.gave(sha256(linkContent(target)))
    this.#note('link', path, target)
  }

  #chmod(): void {
    const path = this.#any()
    if (path === null || lstatSync(this.#at(path)).isSymbolicLink()) return
    const mode = isDirectory(this.#at(path)) ? this.#random.pick([0o700, 0o755, 0o555]) : this.#random.pick(MODES)
    chmodSync(this.#at(path), mode)
    this.#note('chmod', path, mode.toString(8))
  }

  #touch(): void {
    const path = this.#anyFile()
    if (path === null) return
    const time = this.#random.pick([1, 1_700_000_000.123456, 4_000_000_000, Date.now() / 1000])
    utimesSync(this.#at(path), time, time)
    this.#note('touch', path, String(time))
  }

  async #retype(): Promise<void> {
    const path = this.#any()
    if (path === null) return
    if (isDirectory(this.#at(path))) {
      this.#removeAll(path)
      return await this.#save(path, this.#text())
    }
    this.#remove(path)
    mkdirSync(this.#at(path))
    await this.#save(join(path, this.#newName()), this.#text())
  }

  async #copy(): Promise<void> {
    const path = this.#anyFile()
    if (path === null || lstatSync(this.#at(path)).isSymbolicLink()) return
    const fd = openSync(this.#at(path), constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const content = readAll(fd)
      // The copy is given up with the original: a ledger by content cannot tell them apart.
      if (content.length < 8 * MIB) await this.#save(this.#newPath(), content)
    } finally {
      closeSync(fd)
    }
  }

  // ------------------------------------------------------------------------------------------- choices

  #newName(): string {
    const name = this.#random.chance(0.35) ? this.#random.pick(ODD_NAMES) : `f${this.#random.below(30)}.txt`
    this.#ledger.named(name)
    return name
  }

  #newPath(): string {
    return join(this.#random.pick(DIRECTORIES), this.#newName())
  }

  #any(): string | null {
    const found = this.#walk()
    return found.length === 0 ? null : this.#random.pick(found)
  }

  #anyFile(): string | null {
    const found = this.#walk().filter((path) => lstatOrNull(this.#at(path))?.isFile() === true)
    return found.length === 0 ? null : this.#random.pick(found)
  }

  #anyDirectory(): string | null {
    const found = this.#walk().filter((path) => isDirectory(this.#at(path)))
    return found.length === 0 ? null : this.#random.pick(found)
  }

  #walk(directory = ''): string[] {
    const found: string[] = []
    take(() => {
      for (const name of readdirSync(this.#at(directory))) {
        if (directory === '' && name === '.p2psync') continue
        const path = join(directory, name)
        found.push(path)
        if (isDirectory(this.#at(path))) found.push(...this.#walk(path))
      }
    })
    return found
  }

  #text(): Buffer {
    return Buffer.from(`${this.#name} wrote ${this.#count++} at ${process.hrtime.bigint()}\n${'.'.repeat(this.#random.below(300))}`)
  }

  #bytes(size: number): Buffer {
    return randomFillSync(Buffer.allocUnsafe(size))
  }

  #edited(old: Buffer): Buffer {
    const next = Buffer.from(old)
    const mark = this.#text()
    if (next.length < mark.length) return Buffer.concat([mark, next])
    mark.copy(next, this.#random.below(next.length - mark.length + 1))
    return next
  }

  // ------------------------------------------------------------------------------------------- the tree

  #parents(path: string): void {
    const parent = dirname(path)
    if (parent === '.') return
    const parts = parent.split('/')
    for (const part of parts) this.#ledger.named(part)
    // A user at work stays in the folder: nothing is written through a symlink.
    const isLink = parts.some((_, i) => lstatOrNull(this.#at(parts.slice(0, i + 1).join('/')))?.isSymbolicLink() === true)
    if (isLink) throw Object.assign(new Error('a symlink on the way'), { code: 'ENOTDIR' })
    mkdirSync(this.#at(parent), { recursive: true })
  }

  #throwAway(absolute: string): void {
    renameSync(absolute, join(this.#trash, `${this.#count++}`))
  }

  #note(kind: string, path: string, more: string): void {
    this.journal.push(`${new Date().toISOString().slice(11)} ${this.#name} ${kind} ${JSON.stringify(path)} ${JSON.stringify(more)}`)
  }

  #at(path: string): string {
    return join(this.#root, path)
  }
}

function readAll(fd: number): Buffer {
  const { size } = fstatSync(fd)
  const data = Buffer.alloc(size)
  let at = 0
  while (at < size) {
    const count = readSync(fd, data, at, size - at, at)
    if (count === 0) break
    at += count
  }
  return data.subarray(0, at)
}

function take(run: () => void): boolean {
  try {
    run()
    return true
  } catch (error) {
    if (!EXPECTED.has(errnoOf(error) ?? '')) throw error
    return false
  }
}

function lstatOrNull(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null
}

function isDirectory(path: string): boolean {
  return lstatOrNull(path)?.isDirectory() === true
}
