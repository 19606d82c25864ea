/**
 * The configuration: config.json, validated key by key, with the environment on top. A key is here only if a user has a reason
 * to set it and no default can be right for all; an unknown key is refused by name. One writer: the daemon.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { z } from 'zod'
import { writeDurably } from '../base/durable-file.ts'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import { LEVELS } from '../base/log.ts'
import { issueText } from '../rpc/errors.ts'

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/
const hostPort = z.string().refine((text) => HOST_PORT.test(text) && parseHostPort(text).port <= 65535, 'must be HOST:PORT')

/** Each key with the reason why it exists. */
const shape = {
  /** Other devices show it; a host name is often `localhost` or a serial number. */
  deviceName: z.string().min(1).max(64).default(() => hostname().slice(0, 64) || 'device'),
  /** Firewalls and port forwarding need a known port; null: chosen once and kept; 0: a free one at each start. UDP and TCP. */
  listenPort: z.int().min(0).max(65535).nullable().default(null),
  /** `on`, `off` (no multicast at all), or the address of the only interface. */
  lan: z.union([z.enum(['on', 'off']), z.ipv4(), z.ipv6()], { error: 'must be on, off, or an IP address' }).default('on'),
  /** DHT nodes in place of the public ones; `none`: no DHT at all. */
  bootstrap: z.union([z.enum(['public', 'none']), z.array(hostPort).min(1).max(32)], { error: 'must be public, none, or HOST:PORT[,HOST:PORT]' }).default('public'),
  /** Large trees on slow disks want it rarer, network file systems (no change events) oftener. */
  rescanIntervalSeconds: z.int().min(10).max(7 * 24 * 3600).default(3600),
  /** A promise to yourself about how far back you can go; a disk's price decides. */
  historyMaxDays: z.int().min(1).max(36_500).default(30),
  /** Null: a tenth of the file system, because no number is right for a memory card and for a disk array. */
  historyMaxBytes: z.int().min(0).nullable().default(null),
  /** Fewer deletions at once are never held; who deletes by the thousand each day wants more. */
  guardMinFiles: z.int().min(1).max(1_000_000_000).default(1000),
  /** Part of a folder's files whose deletion at once is held; 1: never. */
  guardShare: z.number().min(0).max(1).default(0.5),
  logLevel: z.enum(LEVELS).default('info'),
} as const

const schema = z.strictObject(shape)

export type Config = Readonly<z.output<typeof schema>>
export type ConfigKey = keyof typeof shape
type Value = string | number | boolean | string[] | null

/** Keys that take effect without a restart. */
const LIVE: ReadonlySet<ConfigKey> = new Set(['deviceName', 'rescanIntervalSeconds', 'historyMaxDays', 'historyMaxBytes', 'logLevel'])

type Env = Readonly<Record<string, string | undefined>>

const FROM_ENV: ReadonlyMap<string, ConfigKey> = new Map([
  ['P2PSYNC_LISTEN', 'listenPort'],
  ['P2PSYNC_LAN', 'lan'],
  ['P2PSYNC_BOOTSTRAP', 'bootstrap'],
  ['P2PSYNC_LOG', 'logLevel'],
])

export class ConfigStore {
  readonly #file: string
  readonly #env: Env
  /** What the file says: only what the user has set. */
  #set: Readonly<Record<string, unknown>>
  #current: Config

  private constructor(file: string, env: Env, set: Readonly<Record<string, unknown>>) {
    this.#file = file
    this.#env = env
    this.#set = set
    this.#current = merge(file, set, env)
  }

  /** A missing file is an empty one. Throws CONFIG_INVALID or CONFIG_UNKNOWN_KEY. */
  static load(file: string, env: Env = process.env): ConfigStore {
    return new ConfigStore(file, env, readFile(file))
  }

  /** In force: the environment over the file over the defaults. */
  get current(): Config {
    return this.#current
  }

  /** All keys, or one. Throws CONFIG_UNKNOWN_KEY. */
  get(key?: string): Record<string, Value> {
    const all: Record<string, Value> = { ...this.#current }
    if (key === undefined) return all
    const known = configKey(key)
    return { [known]: all[known] ?? null }
  }

  /** Text is read as the key's type wants it; null restores the default. Writes the file. Returns whether a restart is needed. */
  set(key: string, value: Value): { readonly config: Record<string, Value>; readonly restart: boolean } {
    const known = configKey(key)
    const { [known]: _, ...others } = this.#set
    const next = value === null ? others : { ...others, [known]: parseValue(known, value, key) }
    const current = merge(this.#file, next, this.#env)
    this.#write(next)
    this.#set = next
    this.#current = current
    return { config: this.get(known), restart: !LIVE.has(known) }
  }

  #write(values: Readonly<Record<string, unknown>>): void {
    try {
      writeDurably(this.#file, `${JSON.stringify(values, null, 2)}\n`)
    } catch (error) {
      throw new P2psyncError('PATH_DENIED', `cannot write ${this.#file}: ${messageOf(error)}`, { cause: error })
    }
  }
}

/** `host:port` of the bootstrap nodes apart; the argument is a valid `bootstrap` list. */
export function parseHostPort(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
}

function merge(file: string, set: Readonly<Record<string, unknown>>, env: Env): Config {
  for (const key of Object.keys(set)) configKey(key, ` in ${file}`)
  const parsed = schema.safeParse({ ...set, ...fromEnv(env) })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new P2psyncError('CONFIG_INVALID', `${String(issue?.path[0])} in ${file}: ${issue === undefined ? 'invalid' : issueText(issue)}; correct it or remove it`)
}

function fromEnv(env: Env): Partial<Record<ConfigKey, unknown>> {
  const values: Partial<Record<ConfigKey, unknown>> = {}
  for (const [name, key] of FROM_ENV) {
    const text = env[name]
    if (text !== undefined && text !== '') values[key] = parseValue(key, text, name)
  }
  return values
}

/** `label`: what the user wrote it under, for the sentence. */
function parseValue(key: ConfigKey, value: Value, label: string): unknown {
  const parsed = shape[key].safeParse(typeof value === 'string' ? fromText(key, value) : value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new P2psyncError('CONFIG_INVALID', `${label}: ${issue === undefined ? 'invalid' : issueText(issue)}, got ${JSON.stringify(value)}`)
}

function fromText(key: ConfigKey, text: string): Value {
  switch (key) {
    case 'listenPort':
    case 'rescanIntervalSeconds':
    case 'historyMaxDays':
    case 'historyMaxBytes':
    case 'guardMinFiles':
      return /^-?\d+$/.test(text) ? Number(text) : text
    case 'guardShare':
      return /^\d*\.?\d+$/.test(text) ? Number(text) : text
    case 'bootstrap':
      return text === 'none' || text === 'public' ? text : text.split(',').map((part) => part.trim())
    default:
      return text
  }
}

function configKey(key: string, where = ''): ConfigKey {
  if (Object.hasOwn(shape, key)) return key as ConfigKey
  throw new P2psyncError('CONFIG_UNKNOWN_KEY', `unknown configuration key ${JSON.stringify(key)}${where}; known are ${Object.keys(shape).join(', ')}`)
}

function readFile(file: string): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {}
    throw new P2psyncError('CONFIG_INVALID', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
  return parseText(file, text)
}

function parseText(file: string, text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new P2psyncError('CONFIG_INVALID', `${file} is not valid JSON: ${messageOf(error)}`, { cause: error })
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return { ...parsed }
  throw new P2psyncError('CONFIG_INVALID', `${file} must hold one JSON object`)
}

