#!/usr/bin/env node
/** The command `p2psync`. Only sets the exit code, so that everything printed is flushed. */
import { run } from './program.ts'

// `p2psync events | head`: the reader has gone, that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  process.exitCode = 1
  process.stderr.write(`p2psync: cannot write the output: ${error.message}\n`, () => process.exit(1))
})

process.exitCode = await run(process.argv.slice(2))
