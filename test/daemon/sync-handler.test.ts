/** `folders.sync` over folders that are paused on this device, with hosts that are no more than what it asks of them. */
import test from 'brittle'
import type { App } from '../../daemon/app.ts'
import type { SyncOutcome } from '../../daemon/folder/settle.ts'
import { syncHandlers } from '../../daemon/handlers/sync.ts'
import type { FolderHost } from '../../daemon/host.ts'
import type { Result } from '../../rpc/schema.ts'

const SELF = 'd0'.repeat(32)
const NEAR = 'd1'.repeat(32)
const FAR = 'd2'.repeat(32)
const IN_SYNC: SyncOutcome = { outcome: 'in-sync', blocked: [], devices: [], paused: [] }

interface FakeFolder {
  activity: string
  sync(): Promise<SyncOutcome>
}

function hostOf(name: string, folder: FakeFolder, reason: { code: string; message: string } | null = null): FolderHost {
  const status = { reason, problems: [], devices: [{ device: NEAR }, { device: FAR }] }
  // SAFETY: all that the handler looks at.
  return { id: name, name, path: `/${name}`, opened: true, folder, status } as unknown as FolderHost
}

async function syncAll(...hosts: readonly FolderHost[]): Promise<Result<'folders.sync'>> {
  return await syncOf(null, hosts)
}

async function syncOf(haltReason: App['haltReason'], hosts: readonly FolderHost[]): Promise<Result<'folders.sync'>> {
  const daemon = {
    haltReason,
    hosts: new Map(hosts.map((host) => [host.id, host])),
    registry: { list: () => [] },
    group: { self: { id: SELF, name: 'laptop' } },
    network: { link: (device: string) => (device === NEAR ? {} : null) },
    nameOf: (id: string) => id.slice(0, 2)
  }
  return await syncHandlers(daemon as unknown as App)['folders.sync']({}, { signal: new AbortController().signal })
}

const paused = (): FakeFolder => ({ activity: 'paused', sync: async () => Promise.reject(new Error('a paused folder was waited for')) })

test('a folder that is paused here is not waited for; who is connected is not absent', async (t) => {
  const result = await syncAll(hostOf('docs', paused()))
  t.alike([result.ok, result.outcome, result.reason?.code], [false, 'halted', 'paused'])
  t.ok(result.reason?.message.startsWith('the folder docs is paused on this device'), result.reason?.message)
  t.alike(result.paused.map(({ id }) => id), [SELF])
  t.alike(result.absent.map(({ id }) => id), [FAR])
})

test('the other folders are synced all the same; two that are paused are both named', async (t) => {
  let synced = 0
  const well = { activity: 'idle', sync: async () => (synced++, IN_SYNC) }
  const result = await syncAll(hostOf('docs', paused()), hostOf('music', well), hostOf('pictures', paused()))
  t.is(synced, 1)
  t.ok(result.reason?.message.startsWith('the folders docs, pictures are paused on this device'), result.reason?.message)
})

test('a folder that is paused while it is waited for is not in sync, and a reason of its own comes first', async (t) => {
  const folder: FakeFolder = { activity: 'idle', sync: async () => ((folder.activity = 'paused'), IN_SYNC) }
  t.is((await syncAll(hostOf('docs', folder))).reason?.code, 'paused')
  const result = await syncAll(hostOf('docs', paused(), { code: 'removed', message: 'it was removed' }))
  t.alike([result.outcome, result.reason?.code], ['halted', 'removed'])
})

test('a device that may not sync is in sync with nobody, with no folder as well', async (t) => {
  const reason = { code: 'removed', message: 'it was removed' }
  const result = await syncOf(reason, [])
  t.alike([result.ok, result.outcome, result.reason], [false, 'halted', reason])
  t.is((await syncOf(null, [])).outcome, 'in-sync')
})
