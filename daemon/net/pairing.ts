/**
 * Pairing. The inviter makes a one-time code that runs out; the newcomer enters it. blind-pairing carries the request and the
 * answer on keys of their own; it enforces neither expiry nor single use, so that is done here: an invite is marked used on disk
 * before the answer leaves. The answer only says which device to ask; the group itself comes over a Noise connection between the
 * two device keys, once the newcomer is a member (handover.ts).
 */
import BlindPairing from 'blind-pairing'
import type { MemberRequest, PairedReply } from 'blind-pairing'
import type { NodeAddress } from 'hyperdht'
import { messageOf, P2psyncError } from '../../base/errors.ts'
import { Resource } from '../../base/resource.ts'
import type { Clock, Log } from '../ports.ts'
import { parseDeviceId } from '../sync/ids.ts'
import type { DeviceId } from '../sync/ids.ts'
import type { Adopted, Group } from './group.ts'
import { decodeInvite, encodeInvite, inviterKeyPair, newSecret, pairingInvite, pairingKey } from './invite-code.ts'
import type { InviteCode } from './invite-code.ts'
import { Invites } from './invites.ts'
import type { Invite } from './invites.ts'
import { PairingSwarm } from './pairing-swarm.ts'
import { parseDeviceName } from './records.ts'
import type { Network } from './swarm.ts'

export interface PairingOptions {
  readonly group: Group
  readonly network: Network
  readonly clock: Clock
  readonly log: Log
}

export interface NewInvite {
  readonly code: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export interface Joined extends Adopted {
  /** The device that let us in. */
  readonly inviter: DeviceId
}

const DENIED = { rejected: 1, used: 2, expired: 3 } as const
const MAX_EXPIRES_MS = 30 * 24 * 3600 * 1000

/** An invite that is being listened for. */
interface Offer {
  readonly swarm: PairingSwarm
  readonly pairing: BlindPairing
  stopTimer: () => void
}

export class Pairing extends Resource {
  readonly #group: Group
  readonly #network: Network
  readonly #clock: Clock
  readonly #log: Log
  readonly #invites: Invites
  readonly #offers = new Map<string, Offer>()
  readonly #joining = new Set<AbortController>()

  constructor(options: PairingOptions) {
    super()
    this.#group = options.group
    this.#network = options.network
    this.#clock = options.clock
    this.#log = options.log
    this.#invites = new Invites(options.group.stateDir)
  }

  /** A code for one other device. Returns as soon as the invite is on disk and direct dials are answered. */
  async createInvite({ expiresMs }: { readonly expiresMs: number }): Promise<NewInvite> {
    if (!Number.isFinite(expiresMs) || expiresMs < 1 || expiresMs > MAX_EXPIRES_MS) throw new P2psyncError('USAGE', 'an invite can last for at most 30 days')
    if (this.#group.removedSelf) throw new P2psyncError('REMOVED_FROM_GROUP', 'this device was removed from its group and cannot invite others')
    const now = this.#clock.now()
    const secret = newSecret()
    const expiresAt = Math.ceil((now + expiresMs) / 1000) * 1000
    for (const gone of this.#invites.add(secret.toString('hex'), expiresAt, now)) await this.#withdraw(gone.secret)
    await this.#offer({ secret: secret.toString('hex'), expiresAt, usedBy: null })
    return { code: encodeInvite({ secret, expiresAt, addresses: this.#network.node.ownAddresses() }), expiresAt }
  }

  /** What can be said of a code without asking anyone. @throws INVITE_INVALID, INVITE_EXPIRED */
  expectUsable(text: string): InviteCode {
    const code = decodeInvite(text)
    if (this.#invites.find(code.secret.toString('hex')) !== null) throw new P2psyncError('INVITE_INVALID', 'this invite was made on this device; run join on the other one')
    if (code.expiresAt <= this.#clock.now()) throw expired()
    return code
  }

  /**
   * Moves this device into the group of the invite. @throws INVITE_INVALID, INVITE_USED, INVITE_EXPIRED, GROUP_UNREACHABLE,
   * GROUP_NOT_ALONE, REMOVED_FROM_GROUP; nothing has changed here then, and the same code may be tried again from here.
   */
  async join(text: string, { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<Joined> {
    const code = this.expectUsable(text)
    this.#group.expectAlone()
    return await this.#within(timeoutMs, signal, async (both) => await this.#join(code, both))
  }

  /**
   * Asks the inviter whether the code is good, without using it: for a device that has something to lose by joining. Throws as `join`
   * does. The answer may be another a moment later.
   */
  async probe(text: string, { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<void> {
    const code = this.expectUsable(text)
    await this.#within(timeoutMs, signal, async (both) => await this.#ask(code.secret, await this.#network.node.reachable(code.addresses), both, { probe: true }))
  }

  async #within<T>(timeoutMs: number, signal: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const own = new AbortController()
    this.#joining.add(own)
    const stopTimer = this.#clock.after(timeoutMs, () => own.abort(unreachable(timeoutMs)))
    const both = signal === undefined ? own.signal : AbortSignal.any([own.signal, signal])
    try {
      return await run(both)
    } catch (error) {
      throw both.aborted ? both.reason : error
    } finally {
      stopTimer()
      this.#joining.delete(own)
    }
  }

  protected async onOpen(): Promise<void> {
    const now = this.#clock.now()
    for (const invite of this.#invites.all()) {
      if (invite.expiresAt > now) await this.#offer(invite)
    }
  }

  protected async onClose(): Promise<void> {
    for (const joining of this.#joining) joining.abort(new P2psyncError('NOT_RUNNING', 'the daemon is stopping; join again when it runs'))
    await Promise.all([...this.#offers.keys()].map((secret) => this.#withdraw(secret)))
  }

  // ---------------------------------------------------------------------------------------------- the inviter

  async #offer(invite: Invite): Promise<void> {
    const secret = Buffer.from(invite.secret, 'hex')
    const swarm = new PairingSwarm(this.#network.node, this.#clock)
    const pairing = new BlindPairing(swarm)
    const offer: Offer = { swarm, pairing, stopTimer: () => undefined }
    this.#offers.set(invite.secret, offer)
    pairing.addMember({ discoveryKey: pairingInvite(secret).discoveryKey, onadd: (request) => this.#onRequest(secret, request) })
    await swarm.listen(inviterKeyPair(secret), (error) => this.#log.warn({ reason: messageOf(error) }, 'announcing an invite failed'))
    this.#withdrawLater(invite, offer)
  }

  /** Timers of Node end at 24 days. */
  #withdrawLater(invite: Invite, offer: Offer): void {
    const left = invite.expiresAt - this.#clock.now()
    offer.stopTimer = this.#clock.after(Math.min(Math.max(left, 0), 2 ** 30), () => {
      if (left > 2 ** 30) this.#withdrawLater(invite, offer)
      else this.#withdraw(invite.secret).catch((error: unknown) => this.#log.warn({ reason: messageOf(error) }, 'withdrawing an invite failed'))
    })
  }

  async #withdraw(secret: string): Promise<void> {
    const offer = this.#offers.get(secret)
    if (offer === undefined) return
    this.#offers.delete(secret)
    offer.stopTimer()
    // The connections first; the library may still wait for answers of the DHT, which nobody needs.
    await offer.swarm.close()
    this.#closeLater(offer.pairing)
  }

  #closeLater(pairing: BlindPairing): void {
    pairing.close().catch((error: unknown) => this.#log.debug({ reason: messageOf(error) }, 'closing a pairing failed'))
  }

  /** Called by the library for each request, from a connection or the DHT; it must not throw. */
  async #onRequest(secret: Buffer, request: MemberRequest): Promise<void> {
    try {
      const newcomer = parseUserData(request.open(pairingInvite(secret).publicKey))
      if (newcomer === null) return
      const denied = newcomer.probe ? this.#refusal(secret, newcomer) : await this.#admit(secret, newcomer)
      if (denied !== null) request.deny({ status: DENIED[denied] })
      else request.confirm({ key: pairingKey(secret), additional: pairingInvite(secret, Buffer.from(this.#group.self.id, 'hex')).additional })
      this.#log.info({ peer: newcomer.device.slice(0, 8), denied }, 'a device asked to be paired')
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'a pairing request could not be answered')
    }
  }

  /** What can be said without letting anybody in. */
  #refusal(secret: Buffer, { device }: Newcomer): 'expired' | 'used' | null {
    const invite = this.#invites.find(secret.toString('hex'))
    if (invite === null || invite.expiresAt <= this.#clock.now()) return 'expired'
    return invite.usedBy !== null && invite.usedBy !== device ? 'used' : null
  }

  async #admit(secret: Buffer, newcomer: Newcomer): Promise<keyof typeof DENIED | null> {
    const hex = secret.toString('hex')
    const refusal = this.#refusal(secret, newcomer)
    if (refusal !== null) return refusal
    // Its first answer may have been lost; a member again only if nobody removed it since.
    if (this.#group.isMember(newcomer.device)) return null
    if (this.#invites.find(hex)?.usedBy !== null) return 'used'
    this.#invites.markUsed(hex, newcomer.device)
    try {
      await this.#group.addDevice(newcomer.device, newcomer.name)
      return null
    } catch (error) {
      if (error instanceof P2psyncError) return 'rejected'
      throw error
    }
  }

  // ---------------------------------------------------------------------------------------------- the newcomer

  async #join(code: InviteCode, signal: AbortSignal): Promise<Joined> {
    const addresses = await this.#network.node.reachable(code.addresses)
    const reply = await this.#ask(code.secret, addresses, signal)
    const inviter = parseDeviceId(reply.data?.toString('hex'))
    if (inviter === null) throw new P2psyncError('INVITE_INVALID', 'the other device gave no usable answer; update p2psync there and here')
    const handover = await this.#network.requestHandover(inviter, addresses, signal)
    signal.throwIfAborted()
    const adopted = await this.#group.adopt(handover)
    return { ...adopted, inviter }
  }

  async #ask(secret: Buffer, addresses: readonly NodeAddress[], signal: AbortSignal, { probe = false } = {}): Promise<PairedReply> {
    signal.throwIfAborted()
    const { id, name } = this.#group.self
    const swarm = new PairingSwarm(this.#network.node, this.#clock)
    const pairing = new BlindPairing(swarm)
    const { invite } = pairingInvite(secret)
    try {
      return await new Promise<PairedReply>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        const userData = encodeUserData({ device: id, name, probe })
        const candidate = pairing.addCandidate({ invite, userData, onadd: async (reply) => resolve(reply) })
        candidate.request.on('rejected', (error: unknown) => {
          const refusal = refusalOf(error)
          if (refusal !== null) reject(refusal)
        })
        swarm.dial(inviterKeyPair(secret).publicKey, addresses)
      })
    } finally {
      await swarm.close()
      this.#closeLater(pairing)
    }
  }
}

/** What a newcomer says of itself; blind-pairing encrypts it to the invite and signs it with it. */
interface Newcomer {
  readonly device: DeviceId
  readonly name: string
  /** It only asks whether the invite is good. A format of its own: who does not know it gives no answer, and lets nobody in. */
  readonly probe: boolean
}

function encodeUserData({ device, name, probe }: Newcomer): Buffer {
  return Buffer.from(JSON.stringify({ v: probe ? 2 : 1, device, name }))
}

function parseUserData(data: Buffer): Newcomer | null {
  if (data.length > 1024) return null
  try {
    const value = JSON.parse(data.toString('utf8')) as Readonly<Record<string, unknown>> | null
    const device = parseDeviceId(value?.['device'])
    const version = value?.['v']
    if ((version !== 1 && version !== 2) || device === null) return null
    return { device, name: parseDeviceName(value?.['name']) ?? device.slice(0, 8), probe: version === 2 }
  } catch {
    // Not JSON: not a newcomer of ours.
    return null
  }
}

/** Null for answers that are not from the inviter: anyone may send noise. */
function refusalOf(error: unknown): P2psyncError | null {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null
  if (code === 'INVITE_USED') return new P2psyncError('INVITE_USED', 'this invite was already used; run "p2psync invite" on the other device for a new one')
  if (code === 'INVITE_EXPIRED') return expired()
  if (code !== 'PAIRING_REJECTED') return null
  return new P2psyncError('REMOVED_FROM_GROUP', 'that group does not take this device: it was removed from it before, or the group is full; see "p2psync devices" on the other device')
}

function expired(): P2psyncError {
  return new P2psyncError('INVITE_EXPIRED', 'this invite has run out (or the clock of this device is wrong); run "p2psync invite" on the other device for a new one')
}

function unreachable(ms: number): P2psyncError {
  return new P2psyncError('GROUP_UNREACHABLE', `the device that made the invite did not answer within ${Math.round(ms / 1000)} s; check that it is on and its daemon runs, then try again`)
}
