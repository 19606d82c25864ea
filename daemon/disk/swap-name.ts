/**
 * Names in `.p2psync/staging/swap/`: what was made there to be exchanged, so that after a crash it can be told from what came out.
 *
 *     file~<cid>~<unique>        new content; if it hashes to anything else, displaced bytes of the user stand there
 *     link~<digest>~<unique>     a new symlink, by the SHA-256 of its target
 *     directory~-~<unique>       a new, empty directory
 *     draft~-~<unique>           a copy that is being made; it gets another name before any exchange, so nothing of the user stands there
 *     away~-~<unique>            moved out of the tree where exchange is not possible; `<same name>.json` says from where
 *     leaving~<inode>~<unique>   another name of a file that moves; if it is not that file, displaced bytes of the user stand there
 *     hold~-~<unique>.json       says where in the tree an empty file holds a name, and for what, where no rename leaves a taken name alone
 */
import { randomBytes } from 'node:crypto'
import { sha256 } from '../../base/sha256.ts'
import { parseContentId, type ContentId } from '../sync/ids.ts'

export type SwapName =
  | { readonly kind: 'file'; readonly cid: ContentId }
  | { readonly kind: 'link'; readonly digest: string }
  | { readonly kind: 'directory' }
  | { readonly kind: 'draft' }
  | { readonly kind: 'away' }
  | { readonly kind: 'leaving'; readonly ino: string }
  | { readonly kind: 'hold' }

const run = randomBytes(6).toString('hex')
let count = 0

export function swapName(swap: SwapName): string {
  count++
  return `${swap.kind}~${idOf(swap)}~${run}${count.toString(36)}`
}

/** Null for anything that is not such a name. */
export function parseSwapName(name: string): SwapName | null {
  const [kind, id, unique, ...rest] = name.split('~')
  if (unique === undefined || id === undefined || !/^[0-9a-z]+$/.test(unique) || rest.length > 0) return null
  if (kind === 'link') return { kind, digest: id }
  if (kind === 'leaving') return { kind, ino: id }
  if (kind === 'directory' || kind === 'draft' || kind === 'away' || kind === 'hold') return { kind }
  const cid = parseContentId(id)
  return kind === 'file' && cid !== null ? { kind, cid } : null
}

export function digestOf(target: Uint8Array): string {
  return Buffer.from(sha256(target)).toString('base64url')
}

function idOf(swap: SwapName): string {
  if (swap.kind === 'file') return swap.cid
  if (swap.kind === 'leaving') return swap.ino
  return swap.kind === 'link' ? swap.digest : '-'
}
