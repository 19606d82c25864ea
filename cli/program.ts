/** The tree of commands: names, options, help. Bodies are loaded when they run, so that the command starts fast. */
import { Command as Commander, CommanderError } from 'commander'
import { P2psyncError } from '../base/errors.ts'
import type { Command } from './context.ts'
import { Context } from './context.ts'
import { EXIT, exitCodeOf } from './exit-code.ts'
import type { Stream } from './output.ts'
import { Output } from './output.ts'

/** What a command line runs in; the process's own where not given. */
export interface Surroundings {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly stdout?: Stream
  readonly stderr?: Stream
}

/** Runs one command line; resolves with the exit code and never rejects. */
export async function run(argv: readonly string[], around: Surroundings = {}): Promise<number> {
  const env = around.env ?? process.env
  const out = new Output({ json: wantsJson(argv), noColor: Boolean(env['NO_COLOR']), stdout: around.stdout ?? process.stdout, stderr: around.stderr ?? process.stderr })
  const context = new Context(out, env, around.cwd ?? process.cwd())
  let code: number = EXIT.done
  const program = createProgram(context, (result) => (code = result))
  try {
    if (argv.length === 0) {
      out.raw(program.helpInformation())
      return EXIT.usage
    }
    await program.parseAsync(isVersionFlag(argv) ? ['version'] : [...argv], { from: 'user' })
    return code
  } catch (error) {
    return report(out, error, program)
  }
}

/** Not an option of commander: it would take that of `restore`. */
function isVersionFlag(argv: readonly string[]): boolean {
  const words = argv.filter((word) => word !== '--json')
  return words.length === 1 && (words[0] === '--version' || words[0] === '-V')
}

/** Before anything is parsed: a wrong command line is to be answered in JSON as well. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}

function report(out: Output, error: unknown, program: Commander): number {
  if (error instanceof CommanderError) return reportUsage(out, error, program)
  const ours = error instanceof P2psyncError ? error : new P2psyncError('INTERNAL', `a bug in this command: ${String(error)}`)
  out.error(ours)
  return exitCodeOf(ours.code)
}

function reportUsage(out: Output, error: CommanderError, program: Commander): number {
  if (error.code === 'commander.helpDisplayed' || (error.code === 'commander.help' && out.helped)) return EXIT.done
  const words = wordsOf(program)
  const message = error.code === 'commander.help' ? incomplete(words, program.args) : error.message.replace(/^error: /, '').replace(/\.? Expected /, ', expected ').replace(/\s*\n\s*/g, ' ').replace(/\.$/, '')
  out.error({ code: 'USAGE', message: `${message}; see \`${words.join(' ')} --help\`` })
  return EXIT.usage
}

function incomplete(words: readonly string[], args: readonly string[]): string {
  if (words[1] !== undefined) return `${words.join(' ')} needs another word`
  return args[0] === 'help' ? `unknown command '${args[1]}'` : 'no command is given'
}

/** The command that was typed, as far as it exists. */
function wordsOf(program: Commander): string[] {
  const words = [program.name()]
  for (let at: Commander | undefined = program; at !== undefined; ) {
    const word: string | undefined = at.args[0]
    at = at.commands.find((command) => command.name() === word)
    if (at !== undefined) words.push(at.name())
  }
  return words
}

/** `done` gets the exit code of the command that ran. */
export function createProgram(context: Context, done: (code: number) => void): Commander {
  const program = new Commander('p2psync')
    .description('Keeps folders equal on your own devices, peer to peer and encrypted, with no server')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, writeOut: (text) => context.out.help(text) })
    .showHelpAfterError(false)
    .helpCommand('help [COMMAND]', 'help for a command')
    .option('--json', 'print one JSON document (streams: one a line)')
    .addHelpText('after', '\nStart here:\n  p2psync add ~/Docs     watch a folder\n  p2psync invite         get a code for another device\n  p2psync join CODE      use it there')

  /** Declares a command; `load` brings its body. */
  const declare = <Args extends readonly unknown[]>(
    parent: Commander,
    usage: string,
    summary: string,
    example: string,
    load: () => Promise<Command<Args>>,
    options: { readonly isDefault?: boolean } = {},
  ): Commander =>
    parent
      .command(usage, options)
      .description(summary)
      .option('--json', 'print one JSON document (streams: one a line)')
      .addHelpText('after', `\nExample:\n  p2psync ${example}`)
      .action(async (...given: unknown[]) => {
        const body = await load()
        // SAFETY: commander passes the declared arguments, then the options, then itself, which bodies do not take.
        done((await body(context, ...(given.slice(0, -1) as unknown as Args))) ?? EXIT.done)
      })

  const FOLDER = 'a name, an id, the start of an id, or a path inside the folder'

  declare(program, 'add', 'watch a folder, and join the folder of that name in your group if there is one', 'add ~/Docs', async () => (await import('./commands/add.ts')).add)
    .argument('<path>', 'the directory; its last component is made if missing')
    .option('--name <name>', 'name of the folder (default: that of the directory)')
    .option('--join <folder>', 'join this folder of the group')
    .option('--new', 'make a new folder even if the group has one of that name')
    .option('--mode <mode>', 'reserved')
  declare(program, 'remove', 'stop syncing a folder on this device; its files stay', 'remove docs', async () => (await import('./commands/folders.ts')).remove).argument('<folder>', FOLDER)
  declare(program, 'list', 'folders of the group, on this device or only elsewhere', 'list', async () => (await import('./commands/folders.ts')).list)
    .option('--keys', 'with the keys that let a stock Hyperdrive read each device\'s drive; keep them secret')
  declare(program, 'status', 'devices, folders, and what is still to be done', 'status --watch', async () => (await import('./commands/status.ts')).status)
    .argument('[folder]', FOLDER)
    .option('--watch', 'keep showing it')
  declare(program, 'invite', 'make a one-time code that pairs another device', 'invite --expires 1h', async () => (await import('./commands/pairing.ts')).invite)
    .option('--expires <duration>', 'how long the code holds', '10m')
  declare(program, 'join', 'pair this device with the group of a code', 'join CODE', async () => (await import('./commands/pairing.ts')).join)
    .argument('[code]', 'what `p2psync invite` printed on the other device; left out, or -: it is asked for, or read from standard input')
    .option('--timeout <duration>', 'how long to try', '60s')
    .option('--leave', 'leave the group of several devices that this device is in')

  const devices = program.command('devices').description('the devices of the group').addHelpText('after', '\nExample:\n  p2psync devices rename 3f2a nas')
  declare(devices, 'list', 'list them', 'devices', async () => (await import('./commands/devices.ts')).list, { isDefault: true })
  declare(devices, 'rename', 'give a device another name', 'devices rename laptop desk', async () => (await import('./commands/devices.ts')).rename).argument('<device>').argument('<name>')
  declare(devices, 'remove', 'take a device out of the group, for ever', 'devices remove phone', async () => (await import('./commands/devices.ts')).remove).argument('<device>')
  declare(devices, 'address', 'remember an address at which a device is dialled directly', 'devices address nas 192.168.1.5:49737', async () => (await import('./commands/devices.ts')).address)
    .argument('<device>')
    .argument('<host:port>')

  declare(program, 'pause', 'stop syncing until resumed', 'pause docs', async () => (await import('./commands/folders.ts')).pause).argument('[folder]', FOLDER)
  declare(program, 'resume', 'end a pause', 'resume docs', async () => (await import('./commands/folders.ts')).resume).argument('[folder]', FOLDER)
  declare(program, 'scan', 'read the whole folder again now', 'scan docs', async () => (await import('./commands/folders.ts')).scan).argument('[folder]', FOLDER)
  declare(program, 'sync', 'wait until all connected devices have the same tree', 'sync docs --timeout 2m', async () => (await import('./commands/sync.ts')).sync)
    .argument('[folder]', FOLDER)
    .option('--timeout <duration>', 'how long to wait', '60s')
  declare(program, 'conflicts', 'files that were changed on two devices at once', 'conflicts docs', async () => (await import('./commands/conflicts.ts')).conflicts).argument('[folder]', FOLDER)
  declare(program, 'resolve', 'end a conflict', 'resolve docs/plan.txt --keep this', async () => (await import('./commands/decisions.ts')).resolve)
    .argument('<path>', 'the file, or one of its conflict copies')
    .requiredOption('--keep <which>', 'this (the bytes at the path), other (those of the copy) or both')
  declare(program, 'history', 'versions of a file that this device and the connected ones hold', 'history docs/plan.txt', async () => (await import('./commands/history.ts')).history)
    .argument('<path>', 'a file of a folder; it need not exist any more')
  declare(program, 'restore', 'get a version of a file back, or a whole folder as it was', 'restore docs --at 2h --to ~/docs-before', async () => (await import('./commands/history.ts')).restore)
    .argument('<path|folder>', 'a file with --version; a folder, or a path in one, with --at')
    .option('--version <id>', 'as `p2psync history` lists it')
    .option('--at <time>', 'a time such as 2026-05-01T12:00 or 2h (ago)')
    .option('--to <path>', 'where to put it; with --at a new directory outside of the folder')
  declare(program, 'approve', 'carry out a mass deletion that waits for you', 'approve docs', async () => (await import('./commands/decisions.ts')).approve).argument('<folder>', FOLDER)
  declare(program, 'reject', 'undo a mass deletion that waits for you', 'reject docs', async () => (await import('./commands/decisions.ts')).reject).argument('<folder>', FOLDER)
  declare(program, 'ignore', 'show or add patterns of what is not synced (gitignore syntax)', "ignore docs '*.tmp'", async () => (await import('./commands/ignore.ts')).ignore)
    .argument('[folder]', FOLDER)
    .argument('[pattern...]', 'patterns to add')
    .option('--check <path>', 'say whether a path is ignored, and by which rule')
  declare(program, 'doctor', 'whether what the daemon needs is there; with --check, whether a folder is sound', 'doctor docs --check', async () => (await import('./commands/doctor.ts')).doctor)
    .argument('[folder]', FOLDER)
    .option('--check', 'hold files, index, drive and blocks of the folder against each other; reads every byte')
    .option('--repair', 'with --check: rebuild what can be rebuilt; no file is deleted')
  declare(program, 'events', 'what happens, as it happens', 'events --json', async () => (await import('./commands/events.ts')).events)

  declare(program, 'daemon', 'run in the foreground until SIGTERM or SIGINT', 'daemon', async () => (await import('./commands/daemon.ts')).daemon)
  declare(program, 'start', 'start the daemon in the background', 'start', async () => (await import('./commands/daemon.ts')).start)
  declare(program, 'stop', 'stop the daemon', 'stop', async () => (await import('./commands/daemon.ts')).stop)
  declare(program, 'restart', 'stop and start the daemon', 'restart', async () => (await import('./commands/daemon.ts')).restart)

  const service = program.command('service').description('the daemon as a systemd service').addHelpText('after', '\nExample:\n  p2psync service install')
  for (const verb of ['install', 'uninstall', 'status'] as const) {
    declare(service, verb, { install: 'write the unit, enable and start it', uninstall: 'stop it and remove the unit', status: 'say whether it is installed and runs' }[verb], `service ${verb}`, async () => (await import('./commands/service.ts'))[verb])
      .option('--system', 'a service of the machine that runs for you without a login (needs root)')
  }

  const config = program.command('config').description('settings').addHelpText('after', '\nExample:\n  p2psync config set deviceName laptop')
  declare(config, 'get', 'show the settings in force', 'config get deviceName', async () => (await import('./commands/config.ts')).get, { isDefault: true }).argument('[key]')
  declare(config, 'set', 'change one; without a value, back to its default', 'config set deviceName laptop', async () => (await import('./commands/config.ts')).set)
    .argument('<key>')
    .argument('[value]')
  declare(program, 'log', 'the end of the daemon\'s log', 'log --lines 50', async () => (await import('./commands/log.ts')).log)
    .option('--lines <count>', 'how many', '20')
    .option('--level <level>', 'set the level until the daemon stops: error, warn, info or debug')
  declare(program, 'version', 'the version of this command', 'version', async () => (await import('./commands/version.ts')).version)
  declare(program, 'completion', 'print a completion script for a shell', 'completion bash > ~/.local/share/bash-completion/completions/p2psync', async () => {
    const { completion } = await import('./commands/completion.ts')
    return (context: Context, shell: string) => completion(context, shell, program)
  }).argument('<shell>', 'bash, zsh or fish')
  return program
}
