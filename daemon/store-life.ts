/**
 * Opens the store, and says which life of it this is. A store that is gone, or that was copied or moved, begins a new life: drives
 * of former lives are never appended to again (R18), because they may be longer elsewhere.
 *
 *     state/store.life   32 hex digits
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../base/durable-file.ts'
import { errnoOf, messageOf, P2psyncError } from '../base/errors.ts'
import { Store } from './drive/store.ts'
import type { Log } from './ports.ts'

export interface LivingStore {
  readonly store: Store
  readonly life: string
}

export interface StoreHome {
  readonly stateDir: string
  readonly storeDir: string
  readonly primaryKey: Buffer
  readonly log: Log
  /** As of `Store`. */
  onFailure?(error: unknown): void
}

/** Errors: STORE_LOCKED, STORE_DAMAGED. */
export async function openStore(home: StoreHome): Promise<LivingStore> {
  if (!existsSync(join(home.storeDir, 'db', 'CURRENT'))) beginLife(home)
  try {
    return await open(home)
  } catch (error) {
    const { cause } = error as Error
    if (errnoOf(cause) === 'DEVICE_FILE') await takeOver(home, cause)
    else if (error instanceof P2psyncError && error.code === 'STORE_DAMAGED' && /^Corruption\b/.test(messageOf(cause))) await setAside(home, cause)
    else throw error
    return await open(home)
  }
}

async function open({ stateDir, storeDir, primaryKey, onFailure }: StoreHome): Promise<LivingStore> {
  const store = new Store({ path: storeDir, primaryKey, ...(onFailure === undefined ? {} : { onFailure }) })
  await store.open()
  return { store, life: readLife(stateDir) ?? beginLife({ stateDir }) }
}

/** It was copied, moved or restored: what it says is good for a start, but its drives are not gone on with. */
async function takeOver(home: StoreHome, cause: unknown): Promise<void> {
  home.log.warn({ reason: messageOf(cause) }, 'the state directory was copied, moved or restored from a backup; every folder gets a new drive')
  beginLife(home)
  await rm(join(home.storeDir, 'CORESTORE'), { force: true })
}

/** All of it can be built again from the folders and the other devices. */
async function setAside(home: StoreHome, cause: unknown): Promise<void> {
  const aside = `${home.storeDir}.damaged-${new Date().toISOString().replace(/[:.]/g, '')}`
  home.log.error({ reason: messageOf(cause), aside }, 'the store is damaged; it is set aside and built again from the folders')
  beginLife(home)
  await rename(home.storeDir, aside)
}

function beginLife({ stateDir }: Pick<StoreHome, 'stateDir'>): string {
  const life = randomBytes(16).toString('hex')
  writeDurably(lifeFile(stateDir), `${life}\n`)
  return life
}

/** Null if there is none yet, or it cannot be told. */
function readLife(stateDir: string): string | null {
  try {
    const text = readFileSync(lifeFile(stateDir), 'utf8').trim()
    return /^[0-9a-f]{32}$/.test(text) ? text : null
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null
    throw new P2psyncError('STORE_DAMAGED', `cannot read ${lifeFile(stateDir)}: ${messageOf(error)}; make it readable for this user`, { cause: error })
  }
}

function lifeFile(stateDir: string): string {
  return join(stateDir, 'store.life')
}
