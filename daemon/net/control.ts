/**
 * The control channel of one connection: hello, records, heads, reports, settling. Messages are handled one after the other, so
 * that records are on disk before the heads that depend on them are looked at. Nothing is taken before the hello.
 */
import type { Clock, DriveHead, FolderReport, HistoryQuery, KeptVersion, Log } from '../ports.ts'
import type { DriveKey, FolderId } from '../sync/ids.ts'
import { Channel } from './channel.ts'
import { HistoryAnswers, HistoryQuestions } from './history.ts'
import type { Group } from './group.ts'
import { MAX_FOLDERS, MAX_GOODBYE_RECORDS, MAX_LOG_BYTES, MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES, MAX_RECORDS, MAX_SESSIONS, MAX_SETTLES, RECORD_OBJECT_BYTES } from './limits.ts'
import { CONTROL_PROTOCOL, inMessages, PROTOCOL_VERSION } from './protocol.ts'
import { Probes, type HashAt } from './probes.ts'
import * as wire from './protocol.ts'
import type { Hello, Living, Records, Seen, Settled } from './protocol.ts'
import type { SignedRecord } from './records.ts'
import type { Life } from './sessions.ts'

/** What the owner of a connection does with what the peer says. */
export interface ControlEvents {
  onHello(hello: Hello): void
  /** `bytes`: of the message, here and below. */
  onHeads(folder: FolderId, heads: readonly DriveHead[], bytes: number): Promise<void>
  onReport(folder: FolderId, report: FolderReport, bytes: number): void
  /** Rejects if the folder cannot settle. */
  settle(folder: FolderId, signal: AbortSignal): Promise<FolderReport>
  /** What of the folder's history is here. */
  history(folder: FolderId, query: HistoryQuery): Promise<readonly KeptVersion[]>
  readonly treeHash: HashAt
  /** The peer is of another version of the protocol; the connection ends behind it. */
  onOtherVersion(): void
  /** The peer sees two living daemons with our key (R30); null: it shows nothing for it. */
  onCloned(life: Life | null): void
  /** It was asked to sign that it lives, and did: not verified. */
  onLiving(other: string, signature: Buffer): void
  /** Our signature that we live beside this session of our key. */
  signLife(other: string): Buffer
  onClose(opened: boolean): void
  onFault(error: unknown): void
}

export interface ControlOptions {
  readonly stream: unknown
  readonly group: Group
  readonly hello: () => Omit<Hello, 'version' | 'digest'>
  readonly events: ControlEvents
  readonly clock: Clock
  readonly log: Log
}

interface Asked {
  readonly done: (report: FolderReport) => void
  readonly fail: (error: unknown) => void
}

export class Control {
  readonly #options: ControlOptions
  readonly #channel: Channel
  readonly #send: ReturnType<Control['messages']>
  readonly #over = new AbortController()
  readonly #asked = new Map<number, Asked>()
  readonly #unsent = new Map<FolderId, FolderReport>()
  readonly #questions: HistoryQuestions
  readonly #answers: HistoryAnswers
  readonly #probes: Probes
  #queue: Promise<void> = Promise.resolve()
  #queued = 0
  #queuedBytes = 0
  #greeted = false
  #hasAnswered = false
  #partial: SignedRecord[] = []
  #partialBytes = 0
  #lastId = 0
  #askedBeside: string | null = null
  #signed = 0
  #hasParted = false
  #settling = 0
  #sending = false

  constructor(options: ControlOptions) {
    this.#options = options
    const { events } = options
    this.#channel = new Channel(options.stream, {
      protocol: CONTROL_PROTOCOL,
      onOpen: () => void this.#send.hello({ version: PROTOCOL_VERSION, ...options.hello(), digest: options.group.digest() }),
      onClose: (opened) => this.#closed(opened),
      onFault: (error) => events.onFault(error),
    })
    this.#send = this.messages()
    this.#questions = new HistoryQuestions((message) => this.#send.history(message), options.clock)
    this.#answers = new HistoryAnswers((message) => this.#send.versions(message), () => this.#channel.drained(), events)
    this.#probes = new Probes({ probe: (message) => this.#send.probe(message), treeHash: (message) => this.#send.treeHashAt(message) }, options.clock, events.treeHash)
    this.#channel.start()
  }

  /** Both ends have said hello. */
  get ready(): boolean {
    return this.#greeted && this.#channel.isOpen
  }

  /** New records for the peer. */
  tell(records: readonly SignedRecord[]): void {
    if (records.length === 0) return
    for (const message of inMessages(records)) this.#send.records(message)
  }

  sendHeads(folder: FolderId, heads: readonly DriveHead[]): void {
    this.#send.heads({ folder, heads })
  }

  /** The latest wins; at once if the connection has room. */
  sendReport(folder: FolderId, report: FolderReport): void {
    this.#unsent.set(folder, report)
    if (!this.#sending && this.ready) void this.#sendReports()
  }

  async settle(folder: FolderId, signal: AbortSignal): Promise<FolderReport> {
    signal.throwIfAborted()
    if (!this.ready) throw new Error('the device is not connected')
    const id = ++this.#lastId
    const abort = (): void => this.#take(id)?.fail(signal.reason)
    signal.addEventListener('abort', abort)
    try {
      return await new Promise<FolderReport>((done, fail) => {
        this.#asked.set(id, { done, fail })
        this.#send.settle({ id, folder })
      })
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async history(folder: FolderId, query: HistoryQuery, signal: AbortSignal): Promise<readonly KeptVersion[]> {
    if (!this.ready) throw new Error('the device is not connected')
    return await this.#questions.ask(folder, query, signal)
  }

  /** The peer's tree hash of a drive at a length; rejects if it does not say. */
  async treeHash(drive: DriveKey, length: number): Promise<string | null> {
    if (!this.ready) throw new Error('the device is not connected')
    return await this.#probes.ask(drive, length)
  }

  sendCloned(life: Life): void {
    this.#send.cloned(life)
  }

  /** Asks the peer to sign that it lives beside another session of its key. Once for each connection. */
  askLiving(other: string): void {
    this.#askedBeside = other
    this.#send.seen({ other })
  }

  goodbye(records: readonly SignedRecord[]): void {
    this.#send.goodbye({ records: records.slice(0, MAX_GOODBYE_RECORDS) })
  }

  close(): void {
    this.#channel.close()
  }

  /** The order here is the protocol. */
  private messages() {
    const channel = this.#channel
    const { events } = this.#options
    return {
      hello: channel.message(wire.hello, (message) => this.#onHello(message)),
      have: channel.message(wire.have, (message, bytes) => this.#later(bytes, () => this.#onHave(new Set(message.hashes)))),
      records: channel.message(wire.records, (message, bytes) => this.#later(bytes + message.records.length * RECORD_OBJECT_BYTES, () => this.#onRecords(message))),
      heads: channel.message(wire.heads, (message, bytes) => this.#later(bytes, () => events.onHeads(message.folder, message.heads, bytes))),
      report: channel.message(wire.report, (message, bytes) => this.#later(bytes, () => events.onReport(message.folder, message.report, bytes))),
      settle: channel.message(wire.settle, (message, bytes) => this.#later(bytes, () => this.#onSettle(message.id, message.folder))),
      settled: channel.message(wire.settled, (message, bytes) => this.#later(bytes, () => this.#onSettled(message))),
      goodbye: channel.message(wire.goodbye, (message) => this.#onGoodbye(message.records)),
      history: channel.message(wire.history, (message, bytes) => this.#later(bytes, () => this.#answers.onRequest(message))),
      versions: channel.message(wire.versions, (message, bytes) => this.#later(bytes, () => this.#questions.onVersions(message, bytes))),
      probe: channel.message(wire.probe, (message) => this.#now(() => this.#probes.onProbe(message))),
      treeHashAt: channel.message(wire.treeHashAt, (message) => this.#now(() => this.#probes.onTreeHash(message))),
      cloned: channel.message(wire.cloned, (life) => this.#now(() => events.onCloned(life))),
      seen: channel.message(wire.seen, (message) => this.#now(() => this.#onSeen(message))),
      living: channel.message(wire.living, (message) => this.#now(() => this.#onLiving(message))),
    }
  }

  #onHello(hello: Hello): void {
    if (this.#greeted) throw new Error('a second hello')
    if (hello.version !== PROTOCOL_VERSION) {
      this.#options.events.onOtherVersion()
      throw new Error(`the device speaks protocol ${hello.version}, this one ${PROTOCOL_VERSION}; update the older`)
    }
    this.#greeted = true
    const { group, events } = this.#options
    if (!hello.digest.equals(group.digest())) this.#send.have({ hashes: group.recordHashes() })
    events.onHello(hello)
    if (this.#unsent.size > 0) void this.#sendReports()
  }

  /** Once: the answer may be all records there are, in memory until the peer has taken it. */
  #onHave(hashes: ReadonlySet<string>): void {
    if (this.#hasAnswered) throw new Error('asked for records twice')
    this.#hasAnswered = true
    this.tell(this.#options.group.recordsBeyond(hashes))
  }

  async #onRecords({ more, records }: Records): Promise<void> {
    for (const record of records) this.#partialBytes += record.body.length
    if (this.#partialBytes > MAX_LOG_BYTES || this.#partial.length + records.length > MAX_RECORDS) throw new Error('more records than a group may have')
    for (const record of records) this.#partial.push(record)
    if (more) return
    const all = this.#partial
    this.#partial = []
    this.#partialBytes = 0
    await this.#options.group.merge(all, this.#over.signal)
  }

  /** Not awaited by the queue: a folder may take minutes, and other messages go on. */
  #onSettle(id: number, folder: FolderId): void {
    if (this.#settling >= MAX_SETTLES) {
      this.#send.settled({ id, error: 'too many requests' })
      return
    }
    this.#settling++
    this.#options.events
      .settle(folder, this.#over.signal)
      .then(
        (report) => this.#send.settled({ id, report }),
        (error: unknown) => this.#send.settled({ id, error: error instanceof Error ? error.message : 'failed' }),
      )
      .catch((error: unknown) => this.#options.events.onFault(error))
      .finally(() => this.#settling--)
  }

  #onSettled(message: Settled): void {
    const asked = this.#take(message.id)
    if ('report' in message) asked?.done(message.report)
    else asked?.fail(new Error(message.error))
  }

  #onSeen({ other }: Seen): void {
    if (++this.#signed > MAX_SESSIONS) throw new Error('asks again and again for a sign of life')
    this.#send.living({ other, signature: this.#options.events.signLife(other) })
  }

  #onLiving({ other, signature }: Living): void {
    if (other !== this.#askedBeside) throw new Error('a sign of life that nobody asked for')
    this.#askedBeside = null
    this.#options.events.onLiving(other, signature)
  }

  /** At once, and once: the connection ends behind it. */
  #onGoodbye(records: readonly SignedRecord[]): void {
    if (!this.#greeted) throw new Error('a message before the hello')
    if (this.#hasParted) throw new Error('a second goodbye')
    this.#hasParted = true
    this.#options.group.merge(records).catch((error: unknown) => this.#options.events.onFault(error))
  }

  async #sendReports(): Promise<void> {
    this.#sending = true
    while (this.#unsent.size > 0 && this.#channel.isOpen) {
      const reports = [...this.#unsent]
      this.#unsent.clear()
      for (const [folder, report] of reports) this.#send.report({ folder, report })
      await this.#channel.drained()
    }
    this.#sending = false
  }

  /** Out of turn. */
  #now(handle: () => void | Promise<void>): void {
    if (!this.#greeted) throw new Error('a message before the hello')
    Promise.resolve(handle()).catch((error: unknown) => this.#options.events.onFault(error))
  }

  /** `bytes`: what it takes of memory, about. */
  #later(bytes: number, handle: () => void | Promise<void>): void {
    if (!this.#greeted) throw new Error('a message before the hello')
    this.#queuedBytes += bytes
    if (++this.#queued > MAX_QUEUED_MESSAGES + MAX_FOLDERS || this.#queuedBytes > MAX_QUEUED_BYTES) throw new Error('messages come faster than they can be handled')
    this.#queue = this.#queue.then(async () => {
      try {
        if (!this.#over.signal.aborted) await handle()
      } catch (error) {
        this.#options.events.onFault(error)
      }
      this.#queued--
      this.#queuedBytes -= bytes
    })
  }

  #take(id: number): Asked | null {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    return asked ?? null
  }

  #closed(opened: boolean): void {
    const error = new Error('the connection to the device ended')
    this.#probes.end(error)
    this.#over.abort(error)
    for (const id of [...this.#asked.keys()]) this.#take(id)?.fail(error)
    this.#questions.end(error)
    this.#answers.end()
    this.#options.events.onClose(opened)
  }
}
