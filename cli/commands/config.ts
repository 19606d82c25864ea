/** `p2psync config` */
import type { Command } from '../context.ts'
import { table } from '../format.ts'
import { printable } from '../output.ts'

export const get: Command<[key: string | undefined]> = async (context, key) => {
  const { config } = await (await context.daemon()).call('config.get', key === undefined ? {} : { key })
  context.out.document({ config })
  if (key !== undefined) context.out.line(text(config[key]))
  else for (const row of table(Object.entries(config).map(([name, value]) => [name, text(value)]))) context.out.line(row)
}

export const set: Command<[key: string, value: string | undefined]> = async (context, key, value) => {
  const { config, restart } = await (await context.daemon()).call('config.set', { key, value: value ?? null })
  context.out.document({ config, restart })
  context.out.line(`${key} is ${text(config[key])} now.${restart ? ' It takes effect after `p2psync restart`.' : ''}`)
}

function text(value: unknown): string {
  if (value === null || value === undefined) return 'not set'
  return printable(Array.isArray(value) ? value.join(',') : String(value))
}
