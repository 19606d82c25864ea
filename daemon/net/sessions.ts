/**
 * One device key on two machines (R30): who notices it, and what shows it. A peer sees two sessions of one key take turns, but its word
 * is worth nothing to the device itself, which would halt at the word of any member. So each session that a peer sees after another
 * one is asked to sign that it lives, for that other one; and a device believes what its own key signed for the session of this very
 * start, in the name of another. A session is random and new at each start: nothing that was signed before this start names it, not by
 * this device, not before its state was put back, and nothing has to be remembered on disk to know that. docs/decisions/0029.
 */
import type { DeviceId } from '../sync/ids.ts'
import { sign, verify } from './crypto.ts'
import type { KeyPair } from './crypto.ts'
import { MAX_SESSIONS } from './limits.ts'
import type { GroupId } from './records.ts'

/** A session of 16 bytes in hex, and what it signed for another one of the same key. */
export interface Life {
  readonly session: string
  readonly signature: Buffer
}

/** Says, with the device key, that `session` lives at a time when `other` is known. */
export function signLife(group: GroupId, keyPair: KeyPair, session: string, other: string): Life {
  return { session, signature: sign(lifeBytes(group, keyPair.publicKey, session, other), keyPair.secretKey) }
}

/** Whether another session than `other` said that with this device key. A session says nothing of itself. */
export function isLife(group: GroupId, publicKey: Buffer, { session, signature }: Life, other: string): boolean {
  return session !== other && verify(signature, lifeBytes(group, publicKey, session, other), publicKey)
}

function lifeBytes(group: GroupId, publicKey: Buffer, session: string, other: string): Buffer {
  return Buffer.concat([Buffer.from('p2psync/session/1\0'), Buffer.from(group, 'hex'), publicKey, Buffer.from(session, 'hex'), Buffer.from(other, 'hex')])
}

/** What a connection of a device means beside those before it. */
export interface Turn {
  /** The session that was here last, to be asked about; null if there was no other one. */
  readonly before: string | null
  /** It was here before that one: both live. A daemon that was started again never says an earlier session. */
  readonly returned: boolean
  /** What another session signed for this one. */
  readonly proof: Life | null
}

interface Seen {
  /** The latest last. */
  readonly sessions: readonly string[]
  /** By the session that it is for. */
  readonly lives: Map<string, Life>
}

/** The sessions of each device that was connected here. */
export class Sessions {
  readonly #seen = new Map<DeviceId, Seen>()

  /** A connection of the device said hello. */
  note(device: DeviceId, session: string): Turn {
    const { sessions, lives } = this.#seen.get(device) ?? { sessions: [], lives: new Map<string, Life>() }
    const last = sessions.at(-1) ?? session
    const returned = last !== session && sessions.includes(session)
    const kept = [...sessions.filter((other) => other !== session), session].slice(-MAX_SESSIONS)
    for (const other of lives.keys()) if (!kept.includes(other)) lives.delete(other)
    this.#seen.set(device, { sessions: kept, lives })
    return { before: last === session ? null : last, returned, proof: lives.get(session) ?? null }
  }

  /** Verified by the caller. Kept for as long as the session that it is for is known. */
  keep(device: DeviceId, other: string, life: Life): void {
    const seen = this.#seen.get(device)
    if (seen?.sessions.includes(other) === true) seen.lives.set(other, life)
  }
}
