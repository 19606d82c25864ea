/**
 * The keys of the index's column family. Each folder has a number, so that its rows are one range:
 *
 *     number u32 BE · table · rest
 *
 *     r  parent · NUL · name                     own row: the children of a directory are one range
 *     m  drive number u32 BE · parent · NUL · name   statement of another device's drive
 *     v  device 32 · path                        marked divergent
 *     c  cid 32                                  content
 *     l  cid 32 · page number u32 BE             page of a content's list
 *     g  page id 32 · cid 32                     the contents a page belongs to; value: page number u32 BE
 *     k  chunk id 32                             chunk: one content that has it
 *     K  chunk id 32 · cid 32                    chunk: the others; value as of k
 *     p  cid 32 · area · path                    the places of a content after the first
 *     h  name                                    history row
 *     i  path · NUL · name                       history names by path
 *     d  drive key 32                            drive of another device
 *     x  path                                    live row with the name of a conflict copy; with no path: all of them stand here
 *     q  directory                               digest 32 of its children (sync/directory-digest.ts); empty: none is to be had
 *     a                                          digest 32 of the ignore rules that were applied to all rows
 *     o                                          own checkpoint
 *     t                                          totals
 *     w                                          a directory that moved whole here and is not stated yet
 *     j                                          when history was looked at last, and when the clock leaped last
 *
 * Number 0 is the daemon's: `v` format version, `n` last number given, `f` folder id 32 → number u32 BE.
 */
import type { Place } from '../ports.ts'
import type { ContentId, DeviceId, DriveKey, FolderId, ObjectId, PathKey } from '../sync/ids.ts'

export interface Range {
  readonly gte: Buffer
  readonly lt: Buffer
}

const PREFIX_BYTES = 5

/** Everything below a prefix; its last byte is not 0xff. */
export function below(prefix: Buffer): Range {
  const lt = Buffer.from(prefix)
  const last = lt.length - 1
  lt[last] = (lt[last] as number) + 1
  return { gte: prefix, lt }
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export const META = {
  format: Buffer.from('\0\0\0\0v'),
  last: Buffer.from('\0\0\0\0n'),
  folder: (id: FolderId): Buffer => Buffer.concat([Buffer.from('\0\0\0\0f'), Buffer.from(id, 'hex')])
}

/** Everything of one folder. */
export function folderRange(number: number): Range {
  return { gte: u32(number), lt: u32(number + 1) }
}

type Table = 'r' | 'm' | 'v' | 'c' | 'l' | 'g' | 'k' | 'K' | 'p' | 'h' | 'i' | 'd' | 'o' | 't' | 'x' | 'q' | 'a' | 'w' | 'j'

/** The keys of one folder. */
export class Keys {
  readonly #prefixes = new Map<Table, Buffer>()
  readonly own: Buffer
  readonly totals: Buffer
  readonly rules: Buffer
  readonly relocation: Buffer
  readonly historyClock: Buffer
  readonly copiesKnown: Buffer

  constructor(number: number) {
    for (const table of 'rmvclgkKphidotxqawj') this.#prefixes.set(table as Table, Buffer.concat([u32(number), Buffer.from(table)]))
    this.own = this.#prefix('o')
    this.totals = this.#prefix('t')
    this.rules = this.#prefix('a')
    this.relocation = this.#prefix('w')
    this.historyClock = this.#prefix('j')
    this.copiesKnown = this.#prefix('x')
  }

  row(path: PathKey): Buffer {
    return this.#key('r', split(path))
  }

  /** Of the direct children of a directory. */
  children(directory: PathKey): Range {
    return below(this.#key('r', `${directory}\0`))
  }

  rows(): Range {
    return below(this.#prefix('r'))
  }

  remote(drive: number, path: PathKey): Buffer {
    const rest = split(path)
    const key = Buffer.allocUnsafe(PREFIX_BYTES + 4 + Buffer.byteLength(rest))
    this.#prefix('m').copy(key)
    key.writeUInt32BE(drive, PREFIX_BYTES)
    key.write(rest, PREFIX_BYTES + 4)
    return key
  }

  remoteChildren(drive: number, directory: PathKey): Range {
    return below(Buffer.concat([this.#prefix('m'), u32(drive), Buffer.from(`${directory}\0`)]))
  }

  remoteRows(drive: number): Range {
    const prefix = this.#prefix('m')
    return { gte: Buffer.concat([prefix, u32(drive)]), lt: Buffer.concat([prefix, u32(drive + 1)]) }
  }

  divergent(device: DeviceId, path: PathKey): Buffer {
    return Buffer.concat([this.#prefix('v'), Buffer.from(device, 'hex'), Buffer.from(path)])
  }

  divergentRows(): Range {
    return below(this.#prefix('v'))
  }

  digest(directory: PathKey): Buffer {
    return this.#key('q', directory)
  }

  copy(path: PathKey): Buffer {
    return this.#key('x', path)
  }

  /** The first key is `copiesKnown`, if it is there. */
  copies(): Range {
    return below(this.#prefix('x'))
  }

  content(cid: ContentId | ObjectId): Buffer {
    return this.#id('c', cid)
  }

  contents(): Range {
    return below(this.#prefix('c'))
  }

  page(cid: ContentId, number: number): Buffer {
    return Buffer.concat([this.#id('l', cid), u32(number)])
  }

  pages(cid: ContentId): Range {
    return { gte: this.page(cid, 0), lt: this.page(cid, 0xffff_ffff) }
  }

  pageHolder(page: ObjectId, cid: ContentId): Buffer {
    return Buffer.concat([this.#id('g', page), Buffer.from(cid, 'base64url')])
  }

  pageHolders(page: ObjectId): Range {
    return wholeId(this.#id('g', page))
  }

  chunk(chunk: string): Buffer {
    return this.#id('k', chunk)
  }

  otherChunk(chunk: string, cid: ContentId): Buffer {
    return Buffer.concat([this.#id('K', chunk), Buffer.from(cid, 'base64url')])
  }

  otherChunks(chunk: string): Range {
    return wholeId(this.#id('K', chunk))
  }

  place(cid: ContentId, place: Place): Buffer {
    return Buffer.concat([this.#id('p', cid), Buffer.from(place.area === 'tree' ? 't' : 'h'), Buffer.from(place.path)])
  }

  places(cid: ContentId): Range {
    const prefix = this.#id('p', cid)
    return { gte: Buffer.concat([prefix, Buffer.from('h')]), lt: Buffer.concat([prefix, Buffer.from('u')]) }
  }

  history(name: string): Buffer {
    return this.#key('h', name)
  }

  historyRows(): Range {
    return below(this.#prefix('h'))
  }

  historyOf(path: PathKey, name: string): Buffer {
    return this.#key('i', `${path}\0${name}`)
  }

  historyNames(path: PathKey): Range {
    return below(this.#key('i', `${path}\0`))
  }

  drive(key: DriveKey): Buffer {
    return Buffer.concat([this.#prefix('d'), Buffer.from(key, 'hex')])
  }

  drives(): Range {
    return below(this.#prefix('d'))
  }

  #prefix(table: Table): Buffer {
    return this.#prefixes.get(table) as Buffer
  }

  #key(table: Table, rest: string): Buffer {
    const prefix = this.#prefix(table)
    const key = Buffer.allocUnsafe(PREFIX_BYTES + Buffer.byteLength(rest))
    prefix.copy(key)
    key.write(rest, PREFIX_BYTES)
    return key
  }

  #id(table: Table, id: string): Buffer {
    const key = Buffer.allocUnsafe(PREFIX_BYTES + 32)
    this.#prefix(table).copy(key)
    key.write(id, PREFIX_BYTES, 'base64url')
    return key
  }
}

/** Everything that goes on after a complete id: ids may end in 0xff. */
function wholeId(prefix: Buffer): Range {
  return { gte: prefix, lt: Buffer.concat([prefix, Buffer.alloc(33, 0xff)]) }
}

function split(path: PathKey): string {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? `\0${path}` : `${path.slice(0, slash)}\0${path.slice(slash + 1)}`
}

/** The path of a key of table r or m. */
export function pathOfKey(key: Buffer, drive: boolean): PathKey {
  const text = key.toString('utf8', PREFIX_BYTES + (drive ? 4 : 0))
  const nul = text.indexOf('\0')
  return (nul === 0 ? text.slice(1) : `${text.slice(0, nul)}/${text.slice(nul + 1)}`) as PathKey
}

/** What stands after the last NUL: a name of a child, or of a history row. */
export function nameOfKey(key: Buffer): string {
  return key.toString('utf8', key.lastIndexOf(0) + 1)
}

/** Empty of `copiesKnown`. */
export function copyOfKey(key: Buffer): PathKey {
  return key.toString('utf8', PREFIX_BYTES) as PathKey
}

export function divergentOfKey(key: Buffer): { device: DeviceId; path: PathKey } {
  const at = PREFIX_BYTES + 32
  return { device: key.toString('hex', PREFIX_BYTES, at) as DeviceId, path: key.toString('utf8', at) as PathKey }
}

export function driveOfKey(key: Buffer): DriveKey {
  return key.toString('hex', PREFIX_BYTES) as DriveKey
}

export function placeOfKey(key: Buffer): Place {
  const at = PREFIX_BYTES + 32
  return { area: key[at] === 0x74 ? 'tree' : 'history', path: key.toString('utf8', at + 1) }
}

/** Of a key of table c. */
export function contentOfKey(key: Buffer): ContentId {
  return key.toString('base64url', PREFIX_BYTES) as ContentId
}

/** The second id of a key of table g or K. */
export function holderOfKey(key: Buffer): ContentId {
  return key.toString('base64url', PREFIX_BYTES + 32) as ContentId
}
