/** What each shell makes of its completion script: bash, zsh and fish themselves where they are installed, else skipped and said so. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { runHere } from './run-cli.ts'

for (const shell of ['bash', 'zsh', 'fish']) if (!isHere(shell)) console.log(`# the completion of ${shell} is skipped: ${shell} is not installed`)

/** What INTERFACE.md names: the words before the cursor, and what must be offered there. */
const OFFERED: readonly (readonly [line: string, offers: string])[] = [
  ['', 'daemon start stop restart add remove list status invite join devices pause resume scan sync conflicts resolve history restore approve reject ignore events doctor service config log version completion help --json --help --version'],
  ['add', '--name --join --new --mode'],
  ['list', '--keys'],
  ['status', '--watch'],
  ['invite', '--expires'],
  ['join', '--timeout --leave'],
  ['devices', 'list rename remove address'],
  ['sync', '--timeout'],
  ['resolve', '--keep'],
  ['restore', '--version --to --at'],
  ['ignore', '--check'],
  ['doctor', '--check --repair'],
  ['service', 'install uninstall status'],
  ['service install', '--system'],
  ['service uninstall', '--system'],
  ['service status', '--system'],
  ['config', 'get set'],
  ['log', '--lines --level'],
  ['completion', 'bash zsh fish'],
  ['help', 'add devices'],
  ['resolve a.txt --keep', 'this other both'],
  ['log --level', 'error warn info debug'],
  ...['daemon', 'start', 'add', 'remove', 'devices', 'devices list', 'devices address', 'pause', 'scan', 'conflicts', 'history', 'approve', 'events', 'service install', 'config', 'config set', 'version', 'completion'].map((line) => [line, '--json --help'] as const)
]

type Complete = (words: readonly string[]) => string[]

/** How each shell says what it would offer for an empty word after these. */
const ASK: Readonly<Record<'bash' | 'zsh' | 'fish', (script: string) => Complete>> = {
  bash: (script) => (words) =>
    output('bash', `${script}\nCOMP_WORDS=(p2psync ${words.join(' ')} ''); COMP_CWORD=${words.length + 1}; _p2psync; printf '%s\\n' "\${COMPREPLY[@]}"`),
  // Without its line editor: what the function would add.
  zsh: (script) => (words) =>
    output('zsh', `compdef() { :; }; _files() { :; }; compadd() { shift; print -l -- "$@"; }\n${script}\nask() { words=(p2psync ${words.join(' ')} ''); CURRENT=${words.length + 2}; _p2psync; }; ask`),
  fish: (script) => (words) => {
    const line = ['p2psync', ...words, ''].join(' ')
    return output('fish', `${script}\ncomplete -C '${line}'; complete -C '${line}--'`).map((row) => row.split('\t')[0] ?? '')
  }
}

function isHere(shell: string): boolean {
  return spawnSync(shell, ['--version']).status === 0
}

function output(shell: string, script: string): string[] {
  return execFileSync(shell, [...(shell === 'zsh' ? ['-f'] : []), '-c', script], { encoding: 'utf8' }).trim().split('\n')
}

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  test(`the ${shell} completion is a valid script that knows every command`, { timeout: 120_000 }, async (t) => {
    const { stdout, code } = await runHere(await t.tmp(), ['completion', shell])
    t.is(code, 0)
    for (const word of OFFERED.flatMap(([, offers]) => offers.split(' '))) t.ok(stdout.includes(shell === 'fish' ? word.replace(/^--/, '-l ') : word), word)
  })

  test(`${shell} itself reads its completion and offers what INTERFACE.md names`, { timeout: 120_000, skip: !isHere(shell) }, async (t) => {
    const home = await t.tmp()
    const { stdout } = await runHere(home, ['completion', shell])
    const file = join(home, 'script')
    writeFileSync(file, stdout)
    t.is(spawnSync(shell, ['-n', file]).status, 0, 'the shell reads it')
    const complete = ASK[shell](stdout)
    for (const [line, offers] of OFFERED) {
      const offered = complete(line.split(' ').filter((word) => word !== ''))
      t.alike(offers.split(' ').filter((word) => !offered.includes(word)), [], `p2psync ${line}`)
    }
    t.absent(complete(['list']).includes('--watch'), 'only what the command has')
    t.absent(complete(['devices', 'list']).includes('rename'), 'no second subcommand')
    t.absent(complete(['service', 'status']).includes('--watch'), 'not what another command of that name has')
  })
}

test('bash completes commands, subcommands and options', { skip: !isHere('bash') }, async (t) => {
  const { stdout } = await runHere(await t.tmp(), ['completion', 'bash'])
  const complete = (...words: string[]): string[] => {
    const script = `${stdout}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _p2psync; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n')
  }
  t.alike(complete('p2psync', 'stat'), ['status'])
  t.alike(complete('p2psync', 'devices', 're'), ['rename', 'remove'])
  t.alike(complete('p2psync', 'sync', 'docs', '--ti'), ['--timeout'])
})

/** A line, and what Tab makes of it where the directory has a `plan.txt`. */
const TABS: readonly (readonly [line: string, completed: string])[] = [
  ['p2psync stat', 'p2psync status '],
  ['p2psync pla', 'p2psync pla'],
  ['p2psync devices ren', 'p2psync devices rename '],
  ['p2psync --json stat', 'p2psync --json status '],
  ['p2psync resolve plan.txt --keep ot', 'p2psync resolve plan.txt --keep other '],
  ['p2psync sync --ti', 'p2psync sync --timeout '],
  ['p2psync restore plan.txt --to pl', 'p2psync restore plan.txt --to plan.txt '],
  ['p2psync add pl', 'p2psync add plan.txt '],
]

for (const way of ['a file of fpath', 'a sourced file'] as const) {
  test(`Tab in zsh completes from ${way}`, { timeout: 120_000, skip: !isHere('zsh') }, async (t) => {
    const home = await t.tmp()
    const { stdout } = await runHere(home, ['completion', 'zsh'])
    t.alike(pressTab(home, stdout, way === 'a sourced file'), TABS.map(([, completed]) => completed))
  })
}

/** Runs zsh with its line editor on a terminal of its own; what the line editor holds after Tab, one for each of TABS. */
function pressTab(home: string, script: string, isSourced: boolean): string[] {
  const work = join(home, 'work')
  const functions = join(home, 'functions')
  for (const directory of [work, functions]) mkdirSync(directory)
  writeFileSync(join(work, 'plan.txt'), '')
  writeFileSync(join(isSourced ? home : functions, '_p2psync'), script)
  const presses = TABS.map(([line]) => `  BUFFER='${line}'; CURSOR=$#BUFFER; zle complete-word; print -r -- "$BUFFER" >>${home}/out`)
  const setup = [`cd ${work}; fpath=(${functions} $fpath); autoload -Uz compinit; compinit -D -u`, isSourced ? `source ${home}/_p2psync` : '', 'press() {', ...presses, "  BUFFER=; print -r -- all'-pressed'", '}', "zle -N press; bindkey '^X' press; print -r -- is'-ready'"]
  writeFileSync(join(home, 'setup.zsh'), setup.join('\n'))
  const drive = `zmodload zsh/zpty; zpty shell zsh -f -i; zpty -w shell 'source ${home}/setup.zsh'; zpty -r shell seen '*is-ready*'; zpty -n -w shell $'\x18'; zpty -r shell seen '*all-pressed*'; zpty -d shell`
  execFileSync('zsh', ['-f', '-c', drive], { timeout: 60_000, env: { ...process.env, HOME: home, TERM: 'dumb' } })
  return readFileSync(join(home, 'out'), 'utf8').split('\n').slice(0, -1)
}

test('Tab in fish completes commands, subcommands, values and files', { skip: !isHere('fish') }, async (t) => {
  const home = await t.tmp()
  const { stdout } = await runHere(home, ['completion', 'fish'])
  writeFileSync(join(home, 'plan.txt'), '')
  const ask = (line: string): string => execFileSync('fish', ['-c', `${stdout}\ncomplete -C '${line}'`], { cwd: home, encoding: 'utf8', env: { ...process.env, HOME: home } }).trim()
  t.is(ask('p2psync stat').split('\t')[0], 'status')
  t.is(ask('p2psync pla'), '', 'no files among the commands')
  t.is(ask('p2psync --json devices ren').split('\t')[0], 'rename')
  t.is(ask('p2psync resolve plan.txt --keep ot').split('\t')[0], 'other')
  t.is(ask('p2psync add pl'), 'plan.txt')
})
