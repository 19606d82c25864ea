/** Carries out a script's user actions on one tree, and writes down in the ledger what they gave up. */
import { isConflictPath } from '../../daemon/sync/conflict.ts'
import { IGNORE_FILE } from '../../daemon/sync/path.ts'
import type { PathKey } from '../../daemon/sync/ids.ts'
import { errnoOf } from '../../base/errors.ts'
import { joinPath, nameOf, parentOf } from '../fakes/tree.ts'
import type { FakeUser } from '../fakes/user.ts'
import type { Ledger } from './ledger.ts'
import type { Action } from './script.ts'

export type UserAction = Extract<Action, { readonly do: UserDo }>
type UserDo = 'write' | 'replace' | 'append' | 'rename' | 'remove' | 'vanish' | 'mkdir' | 'fifo' | 'chmod' | 'touch' | 'symlink' | 'ignore' | 'copy-edit' | 'copy-remove' | 'copy-restore'

const CONFLICT_SUFFIX = /\.sync-conflict-[a-z2-7]{10}/

/** @returns false if the action does not apply to the tree as it is. */
export function act(user: FakeUser, ledger: Ledger, where: string, action: UserAction): boolean {
  try {
    new Actor(user, ledger, where).act(action)
    return true
  } catch (error) {
    if (errnoOf(error) === null) throw error
    return false
  }
}

class Actor {
  readonly #user: FakeUser
  readonly #ledger: Ledger
  readonly #where: string

  constructor(user: FakeUser, ledger: Ledger, where: string) {
    this.#user = user
    this.#ledger = ledger
    this.#where = where
  }

  act(action: UserAction): void {
    const user = this.#user
    switch (action.do) {
      case 'write':
      case 'replace':
      case 'append':
        return this.#write(action.do, action.path, action.text)
      case 'ignore':
        return this.#write('write', IGNORE_FILE, action.text)
      case 'rename':
        this.#makeParents(action.to)
        return this.#rename(action.path, action.to)
      case 'remove':
        return this.#remove(action.path)
      case 'vanish':
        return user.remove(action.path)
      case 'mkdir':
        this.#makeParents(action.path)
        user.mkdir(action.path)
        return this.#ledger.named(action.path)
      case 'fifo':
        this.#makeParents(action.path)
        return user.fifo(action.path)
      case 'chmod':
        return user.chmod(action.path, action.mode)
      case 'touch':
        return user.utimes(action.path, BigInt(action.mtime) * 1000n)
      case 'symlink':
        this.#makeParents(action.path)
        user.symlink(action.path, action.target)
        return this.#wrote(action.path)
      default:
        return this.#copy(action)
    }
  }

  #copy(action: Extract<UserAction, { readonly nth: number }>): void {
    const copies = [...this.#user.tree.walk()].filter(([path, node]) => node.kind === 'file' && isConflictPath(path as PathKey)).map(([path]) => path)
    const path = copies[action.nth % Math.max(1, copies.length)]
    if (path === undefined) return
    if (action.do === 'copy-remove') this.#remove(path)
    else if (action.do === 'copy-edit') this.#write('write', path, action.text)
    else this.#rename(path, joinPath(parentOf(path), nameOf(path).replace(CONFLICT_SUFFIX, '')))
  }

  #write(how: 'write' | 'replace' | 'append', path: string, text: string): void {
    this.#makeParents(path)
    // A power cut may leave the draft of an atomic save behind, which the next save of that name writes over.
    const draft = joinPath(parentOf(path), `.${nameOf(path)}.tmp`)
    const leftover = how === 'replace' ? this.#user.tree.node(draft) : null
    if (how === 'replace') this.#ledger.named(draft)
    if (leftover !== null && leftover.kind !== 'directory') this.#ledger.gave({ ...leftover })
    const before = this.#user.tree.node(path)
    const old = before === null || before.kind === 'directory' ? null : { ...before }
    this.#user[how](path, text)
    if (old !== null) this.#ledger.gave(old)
    if (old !== null && how !== 'replace' && old.links > 1) this.#ledger.overwroteInPlace(old)
    this.#wrote(path)
  }

  #rename(path: string, to: string): void {
    const before = this.#user.tree.node(to)
    this.#user.rename(path, to)
    if (path !== to) this.#ledger.gave(before)
    this.#ledger.named(to)
    if (this.#user.tree.node(to)?.kind === 'directory') for (const [below] of this.#user.tree.walk(to)) this.#ledger.named(below)
  }

  #remove(path: string): void {
    const before = this.#user.tree.node(path)
    const gone = before?.kind === 'directory' ? [...this.#user.tree.walk(path)].map(([, node]) => node) : []
    this.#user.remove(path)
    this.#ledger.gave(before)
    for (const node of gone) this.#ledger.gave(node)
  }

  #makeParents(path: string): void {
    const parent = parentOf(path)
    if (parent === '' || this.#user.tree.node(parent) !== null) return
    this.#makeParents(parent)
    this.#user.mkdir(parent)
    this.#ledger.named(parent)
  }

  #wrote(path: string): void {
    const node = this.#user.tree.node(path)
    if (node !== null) this.#ledger.wrote(this.#where, path, node)
  }
}
