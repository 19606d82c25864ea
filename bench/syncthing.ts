/**
 * Two Syncthing instances, if there is a `syncthing` on the PATH: static addresses on loopback and nothing else (no discovery, relay,
 * NAT, reports or upgrades), tuned to be fast: the watcher waits 0.01 s in place of 10 s, normal priority, no compression, no
 * progress events, no search for names that differ in case only. Before 1.23 the watcher waits whole seconds; such a version is told
 * over its API to scan what has changed, so that it need not wait at all.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { delimiter, join } from 'node:path'
import { errnoOf } from '../base/errors.ts'
import { waitFor } from '../test/e2e/tree.ts'
import type { Pair, Peer } from './pair.ts'
import { processTree } from './system.ts'

const PROGRAM = 'syncthing'
const API_KEY = 'bench'
const FOLDER = 'docs'
const MARKER = '.stfolder'
const START_MS = 60_000
const PORTS = { a: 22_101, b: 22_102 }

/** Nothing is upgraded, reported or opened, whatever the configuration would say. */
const ENVIRONMENT = { STNOUPGRADE: '1', STNODEFAULTFOLDER: '1', STNORESTART: '1', STHASHING: '' }

export function hasSyncthing(): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => existsSync(join(directory, PROGRAM)))
}

class Instance implements Peer {
  readonly name: 'a' | 'b'
  readonly home: string
  readonly id: string
  readonly #root: string
  #child: ChildProcess | null = null
  #log = ''

  constructor(name: 'a' | 'b', root: string) {
    this.name = name
    this.#root = join(root, name)
    this.home = join(this.#root, 'home')
    run('generate', `--home=${this.home}`, '--no-default-folder')
    this.id = run('serve', `--home=${this.home}`, '--device-id').trim().split('\n').at(-1) ?? ''
  }

  path(...parts: readonly string[]): string {
    return join(this.#root, 'docs', ...parts)
  }

  beside(...parts: readonly string[]): string {
    return join(this.#root, ...parts)
  }

  pids(): readonly number[] {
    return this.#child?.pid === undefined ? [] : processTree(this.#child.pid)
  }

  get stores(): readonly string[] {
    return [this.home]
  }

  /** @returns false if its watcher cannot be told to wait less than a second. */
  async configure(other: Instance): Promise<boolean> {
    await mkdir(this.path(MARKER), { recursive: true })
    await writeFile(join(this.home, 'config.xml'), configuration(this, other, '0.01'))
    if (tryRun('generate', `--home=${this.home}`, '--no-default-folder').status === 0) return true
    await writeFile(join(this.home, 'config.xml'), configuration(this, other, '1'))
    return false
  }

  start(): void {
    const child = spawn(PROGRAM, ['serve', `--home=${this.home}`, '--no-browser', '--no-restart', '--no-upgrade', '--logfile=-'], {
      env: { ...process.env, ...ENVIRONMENT, HOME: this.#root },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (this.#log = (this.#log + text).slice(-10_000)))
    process.once('exit', () => child.kill('SIGKILL'))
    this.#child = child
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const pids = child.pid === undefined ? [] : processTree(child.pid)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    // The inner process first: the outer one only watches it.
    for (const pid of pids.toReversed()) terminate(pid)
    await ended
  }

  scan(paths: readonly string[]): void {
    void this.get(`/rest/db/scan?folder=${FOLDER}&${paths.map((path) => `sub=${encodeURIComponent(path)}`).join('&')}`, 'POST')
  }

  async get(path: string, method = 'GET'): Promise<Readonly<Record<string, unknown>> | null> {
    return await new Promise((resolve) => {
      const sent = request({ socketPath: this.socket, method, path, headers: { 'x-api-key': API_KEY, host: 'localhost' } }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => resolve(response.statusCode === 200 && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : null))
      })
      sent.on('error', () => resolve(null))
      sent.end()
    })
  }

  get socket(): string {
    return join(this.#root, 'gui.sock')
  }

  get log(): string {
    return this.#log
  }

  async isConnectedTo(other: Instance): Promise<boolean> {
    const connections = (await this.get('/rest/system/connections'))?.['connections'] as Record<string, { connected?: boolean }> | undefined
    return connections?.[other.id]?.connected === true
  }

  async isIdle(): Promise<boolean> {
    const status = await this.get(`/rest/db/status?folder=${FOLDER}`)
    return status?.['state'] === 'idle' && status['needTotalItems'] === 0
  }

  /** As this one sees the other. */
  async hasAll(other: Instance): Promise<boolean> {
    const completion = await this.get(`/rest/db/completion?folder=${FOLDER}&device=${other.id}`)
    return completion?.['completion'] === 100 && completion['needDeletes'] === 0
  }
}

export async function openSyncthing(directory: string): Promise<Pair<Instance>> {
  const [a, b] = [new Instance('a', directory), new Instance('b', directory)]
  const tuned = (await Promise.all([a.configure(b), b.configure(a)])).every((fine) => fine)
  a.start()
  b.start()
  const idle = async (peer: Instance, timeoutMs: number): Promise<void> => {
    await waitFor(`Syncthing ${peer.name} is idle`, async () => await peer.isIdle(), timeoutMs)
  }
  try {
    await waitFor('Syncthing is connected', async () => (await a.isConnectedTo(b)) && (await b.isConnectedTo(a)), START_MS)
    await Promise.all([idle(a, START_MS), idle(b, START_MS)])
  } catch (error) {
    await Promise.all([a.stop(), b.stop()])
    throw new Error(`Syncthing did not start:\n${a.log}`, { cause: error })
  }
  return {
    name: 'syncthing',
    version: run('--version').split(' ')[1] ?? '?',
    a,
    b,
    ownNames: [MARKER],
    hint: (paths) => {
      if (!tuned) a.scan(paths)
    },
    settled: async (timeoutMs) => {
      await waitFor('both have all', async () => (await a.hasAll(b)) && (await b.hasAll(a)) && (await a.isIdle()) && (await b.isIdle()), timeoutMs)
    },
    idle,
    stop: async (peer) => await peer.stop(),
    start: async (peer) => peer.start(),
    close: async () => {
      await Promise.all([a.stop(), b.stop()])
    }
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error // It went by itself.
  }
}

function run(...args: readonly string[]): string {
  const done = tryRun(...args)
  if (done.status !== 0) throw new Error(`${PROGRAM} ${args.join(' ')}: ${done.stderr}`)
  return done.stdout
}

function tryRun(...args: readonly string[]) {
  return spawnSync(PROGRAM, args, { encoding: 'utf8', env: { ...process.env, ...ENVIRONMENT } })
}

function configuration(self: Instance, other: Instance, watcherDelay: string): string {
  const device = ({ id, name }: Instance): string => `<device id="${id}" name="${name}" compression="never"><address>tcp://127.0.0.1:${PORTS[name]}</address></device>`
  const off = ['globalAnnounceEnabled', 'localAnnounceEnabled', 'relaysEnabled', 'natEnabled', 'startBrowser', 'crashReportingEnabled', 'setLowPriority']
  return `<configuration version="36">
  <folder id="${FOLDER}" label="${FOLDER}" path="${self.path()}" type="sendreceive" rescanIntervalS="3600" fsWatcherEnabled="true" fsWatcherDelayS="${watcherDelay}">
    <device id="${self.id}"/><device id="${other.id}"/>
    <scanProgressIntervalS>-1</scanProgressIntervalS><caseSensitiveFS>true</caseSensitiveFS>
  </folder>
  ${device(self)}${device(other)}
  <gui enabled="true" tls="false"><address>${self.socket}</address><apikey>${API_KEY}</apikey><insecureSkipHostcheck>true</insecureSkipHostcheck></gui>
  <options>
    <listenAddress>tcp://127.0.0.1:${PORTS[self.name]}</listenAddress>
    ${off.map((name) => `<${name}>false</${name}>`).join('')}
    <globalAnnounceServer></globalAnnounceServer><stunServer></stunServer><releasesURL></releasesURL><crashReportingURL></crashReportingURL>
    <urAccepted>-1</urAccepted><urSeen>9999</urSeen><urURL></urURL><autoUpgradeIntervalH>0</autoUpgradeIntervalH>
    <reconnectionIntervalS>1</reconnectionIntervalS><progressUpdateIntervalS>-1</progressUpdateIntervalS><announceLANAddresses>false</announceLANAddresses>
  </options>
</configuration>
`
}
