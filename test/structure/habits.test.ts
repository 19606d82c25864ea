/** Things that no source may hold, and facts that must agree with each other. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'brittle'
import { projectRoot } from '../project-root.ts'
import { codeOf, linesWith, trackedFiles, typeScript } from './sources.ts'

const files = trackedFiles()
const sources = typeScript(files)
const SELF = 'test/structure/'

interface Manifest {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as Manifest

test('no open task without the number of its issue', (t) => {
  const open = files.filter(({ path }) => !path.startsWith(SELF) && !path.startsWith('test/tap') && /\.(ts|tsx|js|mjs|md|json|sh)$/.test(path))
  t.alike(open.flatMap(({ path, text }) => linesWith(path, text, /\b(TODO|FIXME|XXX)\b(?!.*(#|issue )\d+)/)), [])
})

test('no empty catch', (t) => {
  const empty = /catch\s*(\([^)]*\))?\s*\{\s*\}|\.catch\(\s*(\(\s*\w*\s*\)|\w+)\s*=>\s*\{\s*\}\s*\)|\.catch\(\s*\)/
  t.alike(sources.filter((source) => empty.test(codeOf(source))).map(({ path }) => path), [])
})

test('no any, no ignored compiler errors', (t) => {
  t.alike(sources.flatMap((source) => linesWith(source.path, codeOf(source), /(:|\bas|<|\|)\s*any\b|\bany\[\]/)), [])
  t.alike(sources.filter(({ path }) => !path.startsWith(SELF)).flatMap(({ path, text }) => linesWith(path, text, /@ts-(ignore|nocheck|expect-error)/)), [])
})

test('no enum, no namespace, no default export', (t) => {
  t.alike(sources.flatMap((source) => linesWith(source.path, codeOf(source), /^\s*(export\s+)?(const\s+)?enum\s|^\s*(export\s+)?namespace\s|^export default\b/)), [])
})

test('own files are imported with the ending of the source', (t) => {
  t.alike(sources.flatMap(({ path, text }) => linesWith(path, text, /\bfrom '\.[^']*(?<!\.ts|\.tsx|\.json)'/)), [])
})

test('every source says on top what it is', (t) => {
  const bare = sources.filter(({ text }) => !/^(#![^\n]*\n)?\s*(\/\*\*|\/\/)/.test(text))
  t.alike(bare.map(({ path }) => path), [])
})

test('sources are at most 600 lines', (t) => {
  t.alike(sources.filter(({ text }) => text.split('\n').length > 601).map(({ path }) => path), [])
})

test('no path of a machine in any tracked file', (t) => {
  const machine = new RegExp(`${projectRoot}/|/(work|root)/[a-z.]|/tmp/p2p/`)
  t.alike(files.filter(({ path }) => !path.startsWith(SELF)).flatMap(({ path, text }) => linesWith(path, text, machine)), [])
})

test('no test is left focused', (t) => {
  t.alike(sources.filter(({ path }) => path.endsWith('.test.ts')).flatMap(({ path, text }) => linesWith(path, text, /^\s*(test\.)?solo\(/)), [])
})

test('one version everywhere', (t) => {
  const lock = JSON.parse(readFileSync(join(projectRoot, 'package-lock.json'), 'utf8')) as { version: string; packages: Record<string, { version?: string }> }
  t.is(lock.version, manifest.version)
  t.is(lock.packages['']?.version, manifest.version)
  const changelog = readFileSync(join(projectRoot, 'CHANGELOG.md'), 'utf8')
  t.is(/^## (\d+\.\d+\.\d+)/m.exec(changelog)?.[1], manifest.version, 'the newest heading of CHANGELOG.md')
  const literal = sources.filter(({ path }) => !path.startsWith('test/')).filter((source) => source.text.includes(`'${manifest.version}'`))
  t.alike(literal.map(({ path }) => path), [], 'no source repeats it')
})

test('dependencies are pinned exactly', (t) => {
  const all = Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies })
  t.alike(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)), [])
})

test('every package that is used is a dependency', (t) => {
  const used = new Set<string>()
  for (const { path, text } of sources) {
    if (/^(test|bench)\//.test(path)) continue
    for (const match of text.matchAll(/\bfrom\s+'([^.'][^']*)'|\bimport\('([^.'][^']*)'\)/g)) {
      const specifier = match[1] ?? match[2] ?? ''
      if (!specifier.startsWith('node:')) used.add(specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/'))
    }
  }
  const known = { ...manifest.dependencies, ...manifest.optionalDependencies }
  t.alike([...used].filter((name) => known[name] === undefined).sort(), [])
})
