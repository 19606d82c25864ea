// Runs after tsc: makes the command executable. Kept apart so that `npm run build` works on every shell.
import { chmodSync, existsSync } from 'node:fs'

const command = new URL('../dist/cli/main.js', import.meta.url)
if (existsSync(command)) chmodSync(command, 0o755)
