#!/usr/bin/env node
/** The command `p2psync`. Only sets the exit code, so that everything printed is flushed. */
import { run } from './program.ts'

process.exitCode = await run(process.argv.slice(2))
