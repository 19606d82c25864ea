/**
 * Invites that were made here and have not run out, used ones included, so that a second use is told from a wrong code. One fsynced
 * file; an invite is marked used there before the newcomer is told anything (R44).
 */
import { parseDeviceId } from '../sync/ids.ts'
import type { DeviceId } from '../sync/ids.ts'
import { MAX_INVITES } from './limits.ts'
import { Secrets } from './secrets.ts'

export interface Invite {
  /** 16 bytes, hex. */
  readonly secret: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly usedBy: DeviceId | null
}

const FILE = 'invites.json'

export class Invites {
  readonly #secrets: Secrets
  #all: readonly Invite[]

  constructor(stateDir: string) {
    this.#secrets = new Secrets(stateDir)
    this.#all = parse(this.#secrets.read(FILE))
  }

  find(secret: string): Invite | null {
    return this.#all.find((invite) => invite.secret === secret) ?? null
  }

  all(): readonly Invite[] {
    return this.#all
  }

  /** Returns the invites that had to go for it: run out, else the oldest. */
  add(secret: string, expiresAt: number, now: number): readonly Invite[] {
    const kept = this.#all.filter((invite) => invite.expiresAt > now)
    const used = kept.filter((invite) => invite.usedBy !== null)
    const surplus = new Set([...used, ...kept].slice(0, Math.max(0, kept.length + 1 - MAX_INVITES)))
    const before = this.#all
    this.#save([...kept.filter((invite) => !surplus.has(invite)), { secret, expiresAt, usedBy: null }])
    return before.filter((invite) => !this.#all.includes(invite))
  }

  markUsed(secret: string, by: DeviceId): void {
    this.#save(this.#all.map((invite) => (invite.secret === secret ? { ...invite, usedBy: by } : invite)))
  }

  #save(all: readonly Invite[]): void {
    this.#secrets.write(FILE, JSON.stringify({ format: 1, invites: all }))
    this.#all = all
  }
}

/** A damaged file loses invites, never more: they can be made again. */
function parse(data: Buffer | null): Invite[] {
  if (data === null) return []
  try {
    const value = JSON.parse(data.toString('utf8')) as { readonly invites?: unknown }
    return (Array.isArray(value.invites) ? value.invites : []).map(parseInvite).filter((invite) => invite !== null)
  } catch {
    // As said above.
    return []
  }
}

function parseInvite(item: unknown): Invite | null {
  if (typeof item !== 'object' || item === null) return null
  const { secret, expiresAt, usedBy } = item as Readonly<Record<string, unknown>>
  if (typeof secret !== 'string' || !/^[0-9a-f]{32}$/.test(secret) || typeof expiresAt !== 'number') return null
  const device = usedBy === null ? null : parseDeviceId(usedBy)
  return usedBy !== null && device === null ? null : { secret, expiresAt, usedBy: device }
}
