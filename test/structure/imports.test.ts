/** Imports point downward only; siblings never import each other; the sync core is pure (ARCHITECTURE.md, "Layers"). */
import test from 'brittle'
import { codeOf, importsOf, linesWith, trackedFiles, typeScript, type Source } from './sources.ts'

interface Layer {
  readonly name: string
  readonly owns: RegExp
  /** Own files that this layer may import, besides itself. */
  readonly own: RegExp
  /** Packages and Node modules that it may import; absent: any. */
  readonly packages?: RegExp
}

/** First match wins. */
const layers: readonly Layer[] = [
  { name: 'base', owns: /^base\//, own: /^$/ },
  { name: 'sync', owns: /^daemon\/sync\//, own: /^base\/(errors|limits|sha256)\.ts$/, packages: /^ignore$/ },
  { name: 'ports', owns: /^daemon\/((drive|log|stat)-)?ports\.ts$/, own: /^daemon\/(sync\/|(drive|log|stat)-ports\.ts$)/, packages: /^$/ },
  { name: 'disk', owns: /^daemon\/disk\//, own: /^(base\/|daemon\/ports\.ts$|daemon\/sync\/)/ },
  { name: 'index', owns: /^daemon\/index\//, own: /^(base\/|daemon\/ports\.ts$|daemon\/sync\/)/ },
  { name: 'drive', owns: /^daemon\/drive\//, own: /^(base\/|daemon\/ports\.ts$|daemon\/sync\/)/ },
  { name: 'net', owns: /^daemon\/net\//, own: /^(base\/|daemon\/ports\.ts$|daemon\/sync\/)/ },
  { name: 'folder', owns: /^daemon\/(folder\.ts$|folder\/)/, own: /^(base\/|daemon\/ports\.ts$|daemon\/sync\/|daemon\/folder)/, packages: /^node:events$/ },
  { name: 'daemon', owns: /^daemon\//, own: /^(base\/|daemon\/|rpc\/)/ },
  { name: 'rpc', owns: /^rpc\//, own: /^base\// },
  { name: 'cli', owns: /^cli\//, own: /^(base\/|rpc\/)/ },
  { name: 'web', owns: /^web\//, own: /^rpc\/schema\.ts$/ }
]

const PACKAGES_OF_THE_STACK = /^(hyper|corestore$|rocksdb|blind-|protomux|@hyperswarm|sodium)/
const files = trackedFiles()
const sources = typeScript(files).filter(({ path }) => !/^(test|bench)\//.test(path))

function layerOf(path: string): Layer | undefined {
  return layers.find((layer) => layer.owns.test(path))
}

function forbidden(source: Source, layer: Layer): string[] {
  return importsOf(source)
    .filter((target) => {
      if (target.endsWith('.json')) return false
      const own = /\.tsx?$/.test(target) && !target.startsWith('node:')
      if (own) return !layer.owns.test(target) && !layer.own.test(target)
      return layer.packages !== undefined && !layer.packages.test(target)
    })
    .map((target) => `${source.path} imports ${target}`)
}

for (const layer of layers) {
  test(`${layer.name} imports only what stands below it`, (t) => {
    const mine = sources.filter((source) => layerOf(source.path) === layer)
    t.alike(mine.flatMap((source) => forbidden(source, layer)), [])
  })
}

test('every source belongs to a layer', (t) => {
  t.alike(sources.filter((source) => layerOf(source.path) === undefined).map((source) => source.path), [])
})

test('daemon/main.ts and daemon/daemon.ts are imported by nothing below them', (t) => {
  const above = sources.filter((source) => importsOf(source).includes('daemon/main.ts'))
  t.alike(above.map((source) => source.path), [])
  const composers = sources.filter((source) => importsOf(source).includes('daemon/daemon.ts')).map((source) => source.path)
  t.alike(composers.filter((path) => path !== 'daemon/run.ts'), [])
})

test('the sync core has no clock, no randomness and nothing asynchronous', (t) => {
  const impure = /\b(Date\.now|new Date\(\)|Math\.random|async|await|Promise|setTimeout|setImmediate|process|performance|crypto)\b/
  const core = sources.filter(({ path }) => path.startsWith('daemon/sync/'))
  t.alike(core.flatMap((source) => linesWith(source.path, codeOf(source), impure)), [])
})

test('only drive, index and net know the hyper stack; disk has native helpers only', (t) => {
  const outside = sources.filter(({ path }) => /^(base|daemon\/(sync|disk|folder|ports)|rpc|cli|web)/.test(path))
  const found = outside.flatMap((source) => importsOf(source).filter((target) => PACKAGES_OF_THE_STACK.test(target)).map((target) => `${source.path} imports ${target}`))
  t.alike(found, [])
})

test('the folder, the sync core and the ports touch no file: only disk touches watched folders', (t) => {
  const bound = sources.filter(({ path }) => /^(daemon\/(sync\/|folder|ports))/.test(path))
  const found = bound.flatMap((source) => importsOf(source).filter((target) => target.startsWith('node:fs')).map((target) => `${source.path} imports ${target}`))
  t.alike(found, [])
})
