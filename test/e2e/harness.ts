/**
 * Real daemons as processes, real folders, a private DHT on 127.0.0.1. A `Device` is one installation with its own home; everything
 * it starts is ended when its test or this process ends.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import createTestnet from 'hyperdht/testnet.js'
import { daemonEnvironment, daemonNodeFlags } from '../../cli/start-daemon.ts'
import { createClient } from '../../rpc/client.ts'
import type { Method, Params, Result } from '../../rpc/schema.ts'
import { waitFor } from './tree.ts'

const built = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const daemonMain = join(built, 'daemon', 'main.js')
const cliMain = join(built, 'cli', 'main.js')
const START_TIMEOUT_MS = 40_000
/** The daemon bounds its own end; a busy machine needs longer for it. */
const STOP_TIMEOUT_MS = 30_000
const KEPT_LOG_CHARACTERS = 20_000
/** A dial that a busy machine lets time out is begun anew after 15 s and more. */
const PAIR_TIMEOUT_MS = 60_000

/** Processes of this one; none survives it, however it ends. */
const running = new Set<ChildProcess>()
/** What the daemons of the last test printed, shown if it broke. */
const logs = new Map<string, () => string>()
process.on('exit', (code) => {
  for (const child of running) child.kill('SIGKILL')
  if (code !== 0) for (const [name, text] of logs) console.log(`--- daemon of ${name}\n${text()}`)
})

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The JSON document on standard output, or on standard error if it failed; undefined if there is none. */
  readonly json: unknown
}

export interface Answer {
  readonly status: number
  readonly text: string
  /** The body if it is JSON, else empty. */
  readonly body: { readonly result?: unknown; readonly error?: { readonly code: number; readonly message: string } }
}

/** What owns devices: a brittle test, or the bench. */
export interface Scope {
  tmp(): Promise<string>
  teardown(run: () => unknown, options?: { order?: number; force?: boolean }): void
}

export interface World {
  /** `host:port` of a DHT node on 127.0.0.1. */
  readonly bootstrap: string
  /** Where this test's homes and folders are; short, for the socket path. */
  readonly root: string
}

/** A private DHT and an empty directory for one test. */
export async function createWorld(t: Scope): Promise<World> {
  logs.clear()
  const root = await t.tmp()
  const testnet = await createTestnet(3)
  t.teardown(() => testnet.destroy(), { order: 1000, force: true })
  const node = testnet.bootstrap[0]
  if (node === undefined) throw new Error('the testnet has no node')
  return { bootstrap: `${node.host}:${node.port}`, root }
}

/** Started devices, in one group if `paired`. */
export async function createDevices(t: Scope, names: readonly string[]): Promise<Device[]> {
  const world = await createWorld(t)
  const devices = names.map((name) => new Device(t, world, name))
  await Promise.all(devices.map((device) => device.start()))
  return devices
}

/** Devices in one group that all have the folder `docs` at `device.path()`. */
export async function createGroup(t: Scope, names: readonly string[]): Promise<Device[]> {
  const devices = await createDevices(t, names)
  const [first, ...others] = devices
  if (first === undefined) return devices
  await first.add()
  for (const other of others) {
    await pair(first, other)
    await other.add()
  }
  return devices
}

/** Two devices that share `docs`. */
export async function createPair(t: Scope): Promise<[Device, Device]> {
  const [a, b] = await createGroup(t, ['a', 'b'])
  if (a === undefined || b === undefined) throw new Error('unreachable')
  return [a, b]
}

/** `invite` on one, `join` on the other; both then list each other. */
export async function pair(host: Device, guest: Device): Promise<void> {
  const { invite } = await host.call('invites.create', {})
  await guest.call('invites.join', { code: invite, timeoutMs: PAIR_TIMEOUT_MS })
  await waitConnected(host, guest)
}

/** Both report each other as connected. */
export async function waitConnected(a: Device, b: Device): Promise<void> {
  await waitFor(`${a.name} and ${b.name} are connected`, async () => (await a.isConnectedTo(b)) && (await b.isConnectedTo(a)), PAIR_TIMEOUT_MS)
}

export class Device {
  readonly name: string
  readonly home: string
  /** Gets all that the daemon prints. */
  onLog: ((text: string) => void) | null = null
  readonly #root: string
  readonly #bootstrap: string
  #child: ChildProcess | null = null
  #id: string | null = null
  /** What the daemon printed, the end of it. */
  #log = ''
  readonly #environment: Readonly<Record<string, string>>

  readonly #command: readonly string[]

  /** `command` runs a script of Node: as another user, for example. */
  constructor(t: Scope, world: World, name: string, environment: Readonly<Record<string, string>> = {}, command: readonly string[] = [process.execPath, ...daemonNodeFlags()]) {
    this.#command = command
    this.name = name
    this.#root = join(world.root, name)
    this.#bootstrap = world.bootstrap
    this.#environment = environment
    this.home = join(this.#root, 'home')
    t.teardown(() => this.kill9(), { force: true })
  }

  get socket(): string {
    return join(this.home, 'p2psync.sock')
  }

  /** A path in this device's `docs`. */
  path(...parts: readonly string[]): string {
    return join(this.#root, 'docs', ...parts)
  }

  /** A path beside `docs`. */
  beside(...parts: readonly string[]): string {
    return join(this.#root, ...parts)
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error(`${this.name} is not running`)
    return pid
  }

  /** Resolves when the daemon answers. `environment`: of this run of it only. */
  async start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    await mkdir(this.home, { recursive: true })
    const [program = process.execPath, ...words] = [...this.#command, daemonMain]
    const child = spawn(program, words, { env: { ...this.environment(), ...environment }, stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#printed(text))
    running.add(child)
    child.on('exit', () => running.delete(child))
    logs.set(this.name, () => this.#log)
    this.#child = child
    try {
      await waitFor(`${this.name} answers`, () => this.#answers(child), START_TIMEOUT_MS)
    } catch (error) {
      throw new Error(`${this.name} did not start:\n${this.#log}`, { cause: error })
    }
  }

  #printed(text: string): void {
    this.#log = (this.#log + text).slice(-KEPT_LOG_CHARACTERS)
    this.onLog?.(text)
  }

  /** SIGTERM; the daemon must exit with 0. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const ended = exitOf(child)
    const started = Date.now()
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS + 2_000)
    const { code, signal } = await ended
    clearTimeout(late)
    this.#child = null
    const ms = Date.now() - started
    if (code !== 0 || ms > STOP_TIMEOUT_MS) throw new Error(`${this.name} stopped with ${code ?? signal} after ${ms} ms:\n${this.#log}`)
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Resolves when the daemon is gone by itself, or by the hand of others. */
  async died(): Promise<void> {
    if (this.#child !== null) await exitOf(this.#child)
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async kill9(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const ended = exitOf(child)
    child.kill('SIGKILL')
    await ended
    this.#child = null
  }

  environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      ...daemonEnvironment(),
      HOME: this.#root,
      P2PSYNC_HOME: this.home,
      P2PSYNC_BOOTSTRAP: this.#bootstrap,
      P2PSYNC_LAN: 'off',
      P2PSYNC_TEST: '1',
      P2PSYNC_AUTOSTART: 'off',
      P2PSYNC_LOG: 'debug',
      NO_COLOR: '1',
      ...this.#environment
    }
  }

  async cli(...args: readonly string[]): Promise<CliResult> {
    await mkdir(this.#root, { recursive: true })
    return await this.cliIn(this.#root, ...args)
  }

  cliIn(cwd: string, ...args: readonly string[]): Promise<CliResult> {
    const child = spawn(process.execPath, [cliMain, ...args], { cwd, env: this.environment(), stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    child.on('exit', () => running.delete(child))
    return collect(child)
  }

  call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    return createClient(this.socket).call(method, params)
  }

  /** A plain HTTP request on the daemon's socket. */
  request(method: string, path: string, body?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const sent = request({ socketPath: this.socket, method, path, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, body: (parse(text) ?? {}) as Answer['body'] }))
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  /** Watches `docs` of this device, made if missing; gives the folder's id. */
  async add(path = this.path(), options: Partial<Params<'folders.add'>> = {}): Promise<string> {
    await mkdir(path, { recursive: true })
    const { folder } = await this.call('folders.add', { path, ...options })
    return folder.id
  }

  async id(): Promise<string> {
    this.#id ??= (await this.call('status.get', {})).device.id
    return this.#id
  }

  async isConnectedTo(other: Device): Promise<boolean> {
    const id = await other.id()
    return (await this.call('status.get', {})).devices.some((device) => device.id === id && device.connected)
  }

  /** Writes a file of `docs`, with its parents. */
  async write(path: string, data: string | Uint8Array): Promise<void> {
    await mkdir(dirname(this.path(path)), { recursive: true })
    await writeFile(this.path(path), data)
  }

  read(path: string): Promise<string> {
    return readFile(this.path(path), 'utf8')
  }

  async #answers(child: ChildProcess): Promise<boolean> {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${this.name} exited with ${child.exitCode ?? child.signalCode}`)
    return this.call('daemon.status', {}).then(
      (status) => status.pid === child.pid,
      () => false
    )
  }
}

function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve({ code: child.exitCode, signal: child.signalCode })
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
}

function collect(child: ChildProcess): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr, json: parse(stdout) ?? parse(stderr) }))
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
