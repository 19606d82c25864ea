/** `GET /metrics`: the status document in the text format of Prometheus (version 0.0.4). */
import type { FolderStatus, StatusDocument } from './schema.ts'

const FOLDER_GAUGES: readonly (readonly [name: string, help: string, value: (folder: FolderStatus) => number])[] = [
  ['files', 'Files in the folder', (folder) => folder.files],
  ['bytes', 'Bytes of the files in the folder', (folder) => folder.bytes],
  ['need_files', 'Files still to be fetched', (folder) => folder.need.files],
  ['need_bytes', 'Bytes still to be fetched', (folder) => folder.need.bytes],
  ['need_deletes', 'Deletions still to be applied', (folder) => folder.need.deletes],
  ['conflicts', 'Conflict copies', (folder) => folder.conflicts],
  ['problems', 'Paths with a problem', (folder) => folder.problems.length],
  ['store_bytes', 'Bytes of the store', (folder) => folder.storeBytes],
  ['history_bytes', 'Bytes kept in history', (folder) => folder.historyBytes],
  ['stopped', '1 while halted or waiting for a decision', (folder) => (folder.state === 'halted' || folder.state === 'decision' ? 1 : 0)],
]

export function metricsText(status: StatusDocument, version: string): string {
  const lines = ['# HELP p2psync_info Version of the daemon', '# TYPE p2psync_info gauge', `p2psync_info{${labels({ version })}} 1`]
  for (const [name, help, value] of FOLDER_GAUGES) {
    lines.push(`# HELP p2psync_folder_${name} ${help}`, `# TYPE p2psync_folder_${name} gauge`)
    for (const folder of status.folders) lines.push(`p2psync_folder_${name}{${labels({ id: folder.id, name: folder.name })}} ${value(folder)}`)
  }
  deviceLines(status, lines)
  return `${lines.join('\n')}\n`
}

function deviceLines(status: StatusDocument, lines: string[]): void {
  const of = (device: { id: string; name: string }): string => labels({ id: device.id, name: device.name })
  lines.push('# HELP p2psync_device_connected 1 while connected', '# TYPE p2psync_device_connected gauge')
  for (const device of status.devices) lines.push(`p2psync_device_connected{${of(device)}} ${device.connected ? 1 : 0}`)
  lines.push('# HELP p2psync_device_received_bytes_total Bytes received from a device', '# TYPE p2psync_device_received_bytes_total counter')
  for (const device of status.devices) lines.push(`p2psync_device_received_bytes_total{${of(device)}} ${device.rxBytes}`)
  lines.push('# HELP p2psync_device_sent_bytes_total Bytes sent to a device', '# TYPE p2psync_device_sent_bytes_total counter')
  for (const device of status.devices) lines.push(`p2psync_device_sent_bytes_total{${of(device)}} ${device.txBytes}`)
}

/** Names come from users and peers: backslash, quote and line feed are escaped as the format says. */
function labels(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, text]) => `${key}="${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`)
    .join(',')
}
