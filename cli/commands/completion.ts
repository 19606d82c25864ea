/** `p2psync completion`: scripts for shells, made from the tree of commands. */
import type { Command as Commander } from 'commander'
import { P2psyncError } from '../../base/errors.ts'
import type { Context } from '../context.ts'

interface Node {
  /** `/devices/rename`; the root is ''. */
  readonly path: string
  readonly name: string
  readonly summary: string
  readonly options: readonly Option[]
  readonly children: readonly Node[]
  /** What its first argument can be, where that is one of a few words. */
  readonly words: readonly string[]
}

interface Option {
  readonly long: string
  readonly summary: string
  /** What follows: nothing, one of these words, or (empty) anything. */
  readonly values: readonly string[] | null
}

const ARGUMENTS: Readonly<Record<string, readonly string[]>> = { '/completion': ['bash', 'zsh', 'fish'] }
const VALUES: Readonly<Record<string, readonly string[]>> = { '/resolve --keep': ['this', 'other', 'both'], '/log --level': ['error', 'warn', 'info', 'debug'] }
const HELP: Option = { long: '--help', summary: 'display help for command', values: null }
/** program.ts knows it without commander, which would take that of `restore`. */
const VERSION: Option = { long: '--version', summary: 'the version of this command', values: null }

export async function completion(context: Context, shell: string, program: Commander): Promise<void> {
  const write = { bash, zsh, fish }[shell]
  if (write === undefined) throw new P2psyncError('USAGE', `there is no completion for ${JSON.stringify(shell)}; known are bash, zsh and fish`)
  const script = write(nodeOf(program, ''))
  context.out.document({ shell, script })
  context.out.line(script)
}

function nodeOf(command: Commander, path: string): Node {
  const children = command.commands.map((child) => nodeOf(child, `${path}/${child.name()}`))
  const isRoot = path === ''
  const own = command.options.flatMap((option) => (option.long === undefined || option.long === null ? [] : [optionOf(path, option.long, option)]))
  // A command whose word may be left out takes its options without it.
  const short = isRoot ? [VERSION] : (children.find(({ path: at }) => DEFAULTS.includes(at))?.options ?? []).filter(({ long }) => long !== HELP.long)
  return {
    path,
    name: command.name(),
    summary: command.description(),
    options: [...own, ...short, HELP],
    children: isRoot ? [...children, helpOf(children)] : children,
    words: ARGUMENTS[path] ?? [],
  }
}

/** Commander gives no access to which one it is. */
const DEFAULTS: readonly string[] = ['/devices/list', '/config/get']

function helpOf(commands: readonly Node[]): Node {
  return { path: '/help', name: 'help', summary: 'help for a command', options: [HELP], children: [], words: commands.map(({ name }) => name) }
}

function optionOf(path: string, long: string, option: { readonly description: string; readonly required: boolean; readonly optional: boolean }): Option {
  const takesValue = option.required || option.optional
  return { long, summary: option.description, values: takesValue ? (VALUES[`${path} ${long}`] ?? []) : null }
}

function all(node: Node): Node[] {
  return [node, ...node.children.flatMap(all)]
}

function words(node: Node): string {
  return [...node.children.map((child) => child.name), ...node.words, ...node.options.map((option) => option.long)].join(' ')
}

/** The part that bash and zsh share: `command_path` becomes the command whose words are completed. */
function walk(root: Node, given: string): string {
  const paths = all(root).flatMap((node) => (node.path === '' ? [] : [node.path]))
  return `  for word in ${given}; do
    case "$command_path/$word" in
      ${paths.join('|')}) command_path="$command_path/$word" ;;
    esac
  done`
}

/** Also shared: what follows an option that takes a value. `write` completes one of the words; with none, files. */
function values(root: Node, previous: string, write: (values: readonly string[]) => string): string {
  const rows = all(root).flatMap((node) => node.options.flatMap((option) => (option.values === null ? [] : [`    '${node.path} ${option.long}') ${write(option.values)} ;;`])))
  return `  case "$command_path ${previous}" in
${rows.join('\n')}
  esac`
}

function bash(root: Node): string {
  const cases = all(root).map((node) => `    '${node.path}') COMPREPLY=($(compgen -W '${words(node)}' -- "$current")) ;;`)
  return `# bash completion for p2psync
_p2psync() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command_path='' word
${walk(root, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}
  COMPREPLY=()
${values(root, '${COMP_WORDS[COMP_CWORD-1]}', (of) => (of.length === 0 ? 'return' : `COMPREPLY=($(compgen -W '${of.join(' ')}' -- "$current")); return`))}
  case "$command_path" in
${cases.join('\n')}
  esac
}
complete -o default -F _p2psync p2psync`
}

/** Both as a file of `fpath`, which zsh runs in place of the function, and read by `source`. */
function zsh(root: Node): string {
  // Files only where no word is asked for: they would stand among the commands.
  const cases = all(root).map((node) => `    '${node.path}') compadd -- ${words(node)}${node.children.length + node.words.length > 0 ? '; return' : ''} ;;`)
  return `#compdef p2psync
_p2psync() {
  local command_path='' word
${walk(root, '"${(@)words[2,CURRENT-1]}"')}
${values(root, '${words[CURRENT-1]}', (of) => (of.length === 0 ? '_files; return' : `compadd -- ${of.join(' ')}; return`))}
  case "$command_path" in
${cases.join('\n')}
  esac
  _files
}
if [ "\${funcstack[1]}" = _p2psync ]; then _p2psync "$@"; else compdef _p2psync p2psync; fi`
}

function fish(root: Node): string {
  const paths = all(root).flatMap((node) => (node.path === '' ? [] : [node.path]))
  return `# fish completion for p2psync
function __p2psync_at
  set -l command_path ''
  set -l given (commandline -opc)
  set -e given[1]
  for word in $given
    switch "$command_path/$word"
      case ${paths.join(' ')}
        set command_path "$command_path/$word"
    end
  end
  test "$command_path" = "$argv[1]"
end
${all(root).flatMap(fishOf).join('\n')}`
}

function fishOf(node: Node): string[] {
  const at = `complete -c p2psync -n ${single(`__p2psync_at '${node.path}'`)}`
  return [
    ...node.children.map((child) => `${at} -f -a ${child.name} -d ${single(child.summary)}`),
    ...(node.words.length === 0 ? [] : [`${at} -f -a ${single(node.words.join(' '))}`]),
    ...node.options.map((option) => `${at} -l ${option.long.slice(2)}${fishValues(option)} -d ${single(option.summary)}`),
  ]
}

/** -r: something follows; -x: and it is none but these. */
function fishValues({ values: of }: Option): string {
  if (of === null) return ''
  return of.length === 0 ? ' -r' : ` -x -a ${single(of.join(' '))}`
}

function single(text: string): string {
  return `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`
}
