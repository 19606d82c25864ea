/** `p2psync completion`: scripts for shells, made from the tree of commands. */
import type { Command as Commander } from 'commander'
import { P2psyncError } from '../../base/errors.ts'
import type { Context } from '../context.ts'

interface Node {
  /** `/devices/rename`; the root is ''. */
  readonly path: string
  readonly name: string
  readonly summary: string
  readonly options: readonly { readonly long: string; readonly summary: string }[]
  readonly children: readonly Node[]
}

export async function completion(context: Context, shell: string, program: Commander): Promise<void> {
  const write = { bash, zsh, fish }[shell]
  if (write === undefined) throw new P2psyncError('USAGE', `there is no completion for ${JSON.stringify(shell)}; known are bash, zsh and fish`)
  const script = write(nodeOf(program, ''))
  context.out.document({ shell, script })
  context.out.line(script)
}

function nodeOf(command: Commander, path: string): Node {
  return {
    path,
    name: command.name(),
    summary: command.description(),
    options: command.options.flatMap((option) => (option.long === undefined || option.long === null ? [] : [{ long: option.long, summary: option.description }])),
    children: command.commands.map((child) => nodeOf(child, `${path}/${child.name()}`)),
  }
}

function all(node: Node): Node[] {
  return [node, ...node.children.flatMap(all)]
}

function words(node: Node): string {
  return [...node.children.map((child) => child.name), ...node.options.map((option) => option.long), '--help'].join(' ')
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

function bash(root: Node): string {
  const cases = all(root).map((node) => `    '${node.path}') COMPREPLY=($(compgen -W '${words(node)}' -- "$current")) ;;`)
  return `# bash completion for p2psync
_p2psync() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command_path='' word
${walk(root, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}
  case "$command_path" in
${cases.join('\n')}
  esac
}
complete -o default -F _p2psync p2psync`
}

function zsh(root: Node): string {
  const cases = all(root).map((node) => `    '${node.path}') compadd -- ${words(node)} ;;`)
  return `#compdef p2psync
_p2psync() {
  local command_path='' word
${walk(root, '"${words[@]:1:CURRENT-2}"')}
  case "$command_path" in
${cases.join('\n')}
  esac
  _files
}
compdef _p2psync p2psync`
}

function fish(root: Node): string {
  const lines = root.children.flatMap((node) => [
    `complete -c p2psync -n __fish_use_subcommand -a ${node.name} -d ${single(node.summary)}`,
    ...all(node).flatMap((each) => fishOf(node, each)),
  ])
  return ['# fish completion for p2psync', ...lines].join('\n')
}

function fishOf(top: Node, node: Node): string[] {
  const seen = node === top ? top.name : `${top.name}; and __fish_seen_subcommand_from ${node.name}`
  return [
    ...node.children.map((child) => `complete -c p2psync -n ${single(`__fish_seen_subcommand_from ${seen}`)} -f -a ${child.name} -d ${single(child.summary)}`),
    ...node.options.map((option) => `complete -c p2psync -n ${single(`__fish_seen_subcommand_from ${seen}`)} -l ${option.long.slice(2)} -d ${single(option.summary)}`),
  ]
}

function single(text: string): string {
  return `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`
}
