/**
 * The last step of pairing: a newcomer that was added to a group asks one of its members, on a Noise connection between their
 * device keys, for everything the group consists of. Secrets in it are sealed to member keys all the same.
 */
import { setTimeout } from 'node:timers/promises'
import { withDeadline } from '../../base/deadline.ts'
import type NoiseSecretStream from '@hyperswarm/secret-stream'
import Protomux from 'protomux'
import { Channel } from './channel.ts'
import type { Group, Handover } from './group.ts'
import { DIAL_TIMEOUT_MS, MAX_LOG_BYTES, MAX_RECORDS, PAIRING_REDIAL_MS } from './limits.ts'
import { handoverPart, inMessages, JOIN_PROTOCOL } from './protocol.ts'
import type { SignedRecord } from './records.ts'

/** The member's side: answers if the peer, a member itself, opens the channel. */
export function answerHandover(stream: NoiseSecretStream, group: Group, onFault: (error: unknown) => void): void {
  let hasAnswered = false
  Protomux.from(stream).pair({ protocol: JOIN_PROTOCOL }, () => {
    // Once: the answer is in memory until the peer has taken it.
    if (hasAnswered) return
    hasAnswered = true
    const channel: Channel = new Channel(stream, {
      protocol: JOIN_PROTOCOL,
      onOpen: () => {
        if (!group.isMember(stream.remotePublicKey.toString('hex') as Parameters<Group['isMember']>[0])) return
        const { group: id, records } = group.handover()
        for (const { more, records: part } of inMessages(records)) send({ more, group: Buffer.from(id, 'hex'), records: part })
      },
      onClose: () => undefined,
      onFault,
    })
    const send = channel.message(handoverPart, () => undefined)
    channel.start()
  })
}

export interface Received {
  readonly handover: Handover
  /** Where the member was reached. */
  readonly host: string
  readonly port: number
}

/** The newcomer's side: dials again until it has the answer or the signal aborts. */
export async function requestHandover(
  dial: () => NoiseSecretStream,
  signal: AbortSignal,
  onMiss: (error: unknown) => void,
): Promise<Received> {
  for (;;) {
    signal.throwIfAborted()
    const stream = dial()
    try {
      const handover = await withDeadline(signal, DIAL_TIMEOUT_MS, async (limit) => await receive(stream, limit))
      return { handover, host: stream.rawStream?.remoteHost ?? '', port: stream.rawStream?.remotePort ?? 0 }
    } catch (error) {
      onMiss(error)
    } finally {
      stream.destroy()
    }
    await setTimeout(PAIRING_REDIAL_MS, undefined, { signal })
  }
}

function receive(stream: NoiseSecretStream, signal: AbortSignal): Promise<Handover> {
  return new Promise((resolve, reject) => {
    const records: SignedRecord[] = []
    let bytes = 0
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    stream.on('error', reject)
    stream.on('close', () => reject(new Error('the connection ended')))
    const channel: Channel = new Channel(stream, {
      protocol: JOIN_PROTOCOL,
      onOpen: () => undefined,
      onClose: () => reject(new Error('the channel was closed')),
      onFault: reject,
    })
    channel.message(handoverPart, (part) => {
      for (const record of part.records) records.push(record)
      for (const record of part.records) bytes += record.body.length
      if (bytes > MAX_LOG_BYTES || records.length > MAX_RECORDS) throw new Error('more records than a group may have')
      if (!part.more) resolve({ group: part.group.toString('hex'), records })
    })
    channel.start()
  })
}
