/** A daemon runs in the same environment whoever starts it. */
import test from 'brittle'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { daemonEnvironment, daemonNodeFlags } from '../../cli/start-daemon.ts'
import { projectRoot } from '../project-root.ts'

for (const unit of ['p2psync.service', 'p2psync@.service']) {
  test(`${unit} gives the daemon what \`p2psync start\` gives it`, (t) => {
    const lines = readFileSync(join(projectRoot, 'systemd', unit), 'utf8').split('\n')
    for (const [name, value] of Object.entries(daemonEnvironment())) t.ok(lines.includes(`Environment=${name}=${value}`), name)
    // Without the quotes the second flag would be a variable of its own, and a wrong one.
    t.ok(lines.includes(`Environment="NODE_OPTIONS=${daemonNodeFlags().join(' ')}"`), 'flags of node')
  })
}
