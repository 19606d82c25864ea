/** `daemon.*`, `config.*`, `log.*`. */
import { version } from '../../base/version.ts'
import type { Handlers } from '../../rpc/schema.ts'
import type { App } from '../app.ts'

type Part = Pick<Handlers, 'daemon.status' | 'daemon.stop' | 'config.get' | 'config.set' | 'log.level'>

export function daemonHandlers(daemon: App): Part {
  const { paths, config, log, stop } = daemon.options
  return {
    'daemon.status': async () => ({
      pid: process.pid,
      version: version(),
      startedAt: new Date(daemon.startedAt).toISOString(),
      uptimeMs: Math.max(0, Date.now() - daemon.startedAt),
      home: paths.home,
      logFile: paths.logFile
    }),
    'daemon.stop': async () => {
      stop()
      return { pid: process.pid }
    },
    'config.get': async ({ key }) => ({ config: config.get(key) }),
    'config.set': async ({ key, value }) => {
      const result = config.set(key, value)
      if (key === 'logLevel') log.level = config.current.logLevel
      if (key === 'deviceName') await daemon.group.rename(daemon.group.self.id, config.current.deviceName)
      return result
    },
    'log.level': async ({ level }) => {
      if (level !== undefined) log.level = level
      return { level: log.level }
    }
  }
}
