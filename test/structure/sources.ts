/** The tracked files of the project and what they import, for tests that read the source. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { projectRoot } from '../project-root.ts'

export interface Source {
  /** Below the project, with '/'. */
  readonly path: string
  readonly text: string
}

/** Every tracked text file. */
export function trackedFiles(): Source[] {
  const paths = execFileSync('git', ['ls-files', '-z'], { cwd: projectRoot, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\0')
  return paths
    .filter((path) => path !== '' && existsSync(join(projectRoot, path)))
    .map((path) => ({ path, text: readFileSync(join(projectRoot, path), 'utf8') }))
    .filter((source) => !source.text.includes('\0'))
}

/** TypeScript sources, without ambient declarations. */
export function typeScript(files: readonly Source[]): Source[] {
  return files.filter(({ path }) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
}

/** What a source imports: own files as paths below the project, everything else as written. */
export function importsOf(source: Source): string[] {
  const specifiers = [...source.text.matchAll(/^\s*(?:import|export)\b[^'"]*?\bfrom\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm)]
  return specifiers.map((match) => match[1] ?? match[2] ?? match[3] ?? '').map((specifier) => resolve(source.path, specifier))
}

/** The source without comments and string contents, line by line as before. Good enough for rules about words. */
export function codeOf(source: Source): string {
  return source.text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g,
    (match) => match.replace(/[^\n]/g, ' ')
  )
}

/** `path:line` of every match, for a failure that can be clicked. */
export function linesWith(path: string, text: string, pattern: RegExp): string[] {
  const found: string[] = []
  text.split('\n').forEach((line, i) => {
    if (pattern.test(line)) found.push(`${path}:${i + 1}: ${line.trim()}`)
  })
  return found
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), specifier)) : specifier
}
