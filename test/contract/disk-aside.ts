/** The part of the disk's contract that setting directories aside must keep (R48). */
import type { ApplyOp, AsidePlace, KnownTree } from '../../daemon/ports.ts'
import { type Bench, type Check, HISTORY, absorb, apply, key, scan, seen, summary, tombstone } from './disk-helpers.ts'

async function tree(bench: Bench): Promise<void> {
  for (const path of ['p', 'p/d', 'p/d/e', 'p/g']) await bench.user.mkdir(path)
  for (const path of ['p/d/a', 'p/d/e/b', 'p/g/c', 'p/stays']) await bench.user.write(path, `bytes of ${path}`)
  await absorb(bench)
}

async function setAside(bench: Bench, ...given: readonly string[]): Promise<readonly AsidePlace[]> {
  const directories = await Promise.all(given.map(async (path) => ({ path: key(path), ino: (await seen(bench, path)).ino })))
  const places = await bench.disk.setAside(directories, bench.known)
  return [...places].sort((x, y) => (x.path < y.path ? -1 : 1))
}

async function removal(bench: Bench, path: string, aside: AsidePlace): Promise<ApplyOp> {
  const expect = (await bench.known.row(key(path)))?.seen
  if (expect === undefined || expect === null) throw new Error(`not known: ${path}`)
  return { kind: 'remove', path: key(path), expect, displace: HISTORY, aside }
}

export function settingAside(check: Check): void {
  check('R48: directories are set aside with all that is known to be in them, and come back as they were', async (t, bench) => {
    await tree(bench)
    const before = await seen(bench, 'p/d/e/b')
    t.alike((await setAside(bench, 'p/d', 'p/g')).map(({ path }) => path), ['p/d', 'p/g'])
    t.alike([await bench.user.stat('p/d'), await bench.user.stat('p/g'), await bench.user.read('p/stays')], [null, null, 'bytes of p/stays'])
    t.alike([...(await bench.disk.putBack()).paths].sort(), ['p/d', 'p/g'])
    t.alike(await bench.user.stat('p/d/e/b'), before)
    t.alike(await scan(bench), [], 'no news')
    t.alike(await bench.disk.putBack(), { paths: [], kept: [] })
    t.alike(await bench.disk.strays(false), [])
  })

  check('R48: a directory that holds anything else than what is known stays where it is', async (t, bench) => {
    await tree(bench)
    const { ino } = await seen(bench, 'p/d')
    t.alike(await bench.disk.setAside([{ path: key('p/d'), ino: `${ino}1` }, { path: key('p/stays'), ino: (await seen(bench, 'p/stays')).ino }], bench.known), [], 'another one, and none')
    await bench.user.write('p/d/e/new', 'new')
    t.alike((await setAside(bench, 'p/d', 'p/g')).map(({ path }) => path), ['p/g'], 'a new file')
    await bench.user.unlink('p/d/e/new')
    await bench.user.write('p/d/a', 'other')
    t.alike(await setAside(bench, 'p/d'), [], 'a changed one')
    await absorb(bench)
    bench.known.change('p/d/e', (row) => ({ ...row, seen: null }))
    t.alike(await setAside(bench, 'p/d'), [], 'one that was not seen')
    t.is(await bench.user.read('p/d/a'), 'other')
    await bench.disk.putBack()
    t.is(await bench.user.read('p/g/c'), 'bytes of p/g/c')
  })

  check('R48: what is set aside ends path by path: its bytes are in history, and nothing is left', async (t, bench) => {
    await tree(bench)
    const [aside] = await setAside(bench, 'p/d')
    if (aside === undefined) return t.fail('it stays')
    const [early] = await apply(bench, await removal(bench, 'p/d', aside))
    t.is(early?.kind, 'changed', 'not before what is in it')
    const results = await apply(bench, ...(await Promise.all(['p/d/a', 'p/d/e/b', 'p/d/e', 'p/d'].map(async (path) => await removal(bench, path, aside)))))
    t.alike(results.map(({ kind }) => kind), ['done', 'done', 'done', 'done'])
    const names = results.flatMap((result) => (result.kind === 'done' && result.kept !== null ? [result.kept] : []))
    const kept = await Promise.all(names.map(async (path) => (await bench.disk.read({ area: 'history', path }, 0, 12))?.toString()))
    t.alike(kept.sort(), ['bytes of p/d', 'bytes of p/d'])
    t.alike(await bench.disk.putBack(), { paths: [], kept: [] })
    t.alike(await bench.disk.strays(false), [])
  })

  check('R48: what the user made under the old names meanwhile stays, and what has no name any more is in history', async (t, bench) => {
    await tree(bench)
    await setAside(bench, 'p/d', 'p/g')
    await bench.user.mkdir('p/d')
    await bench.user.write('p/d/a', 'of the user')
    await bench.user.write('p/g', 'a file now')
    const { kept } = await bench.disk.putBack()
    t.alike([await bench.user.read('p/d/a'), await bench.user.read('p/d/e/b'), await bench.user.read('p/g')], ['of the user', 'bytes of p/d/e/b', 'a file now'])
    t.alike(kept.map(({ path }) => path).sort(), ['p/d/a', 'p/g/c'])
    const texts = await Promise.all(kept.map(async ({ name }) => (await bench.disk.read({ area: 'history', path: name }, 0, 12))?.toString()))
    t.alike(texts.sort(), ['bytes of p/d', 'bytes of p/g'])
    t.alike(await bench.disk.strays(false), [])
  })

  check('R48: what was above it is made again', async (t, bench) => {
    await tree(bench)
    await setAside(bench, 'p/d', 'p/g')
    await bench.user.unlink('p/stays')
    await bench.user.rmdir('p')
    await bench.disk.putBack()
    t.alike([await bench.user.read('p/d/e/b'), await bench.user.read('p/g/c')], ['bytes of p/d/e/b', 'bytes of p/g/c'])
  })

  check('R48: one that stood in another which was set aside after it goes back into that one', async (t, bench) => {
    await tree(bench)
    await bench.user.chmod('p/d', 0o700)
    await absorb(bench)
    const before = await seen(bench, 'p/d')
    const directories = await Promise.all(['p/d/e', 'p/d'].map(async (path) => ({ path: key(path), ino: (await seen(bench, path)).ino })))
    const { known } = bench
    const without: KnownTree = { row: async (path) => await known.row(path), content: async (cid) => await known.content(cid), children: async (path) => new Map([...(await known.children(path))].filter(([name]) => name !== 'e')) }
    for (const directory of directories) t.is((await bench.disk.setAside([directory], directory.path === key('p/d') ? without : known)).length, 1)
    t.is(await bench.user.stat('p/d'), null)
    await bench.disk.putBack()
    t.is(await bench.user.read('p/d/e/b'), 'bytes of p/d/e/b')
    t.alike([(await seen(bench, 'p/d')).ino, (await seen(bench, 'p/d')).mode], [before.ino, before.mode])
    t.alike(await scan(bench), [], 'no news')
  })

  check('R48: a start puts back what a crash left aside before anything is read', async (t, bench) => {
    await tree(bench)
    const [aside] = await setAside(bench, 'p/d', 'p/g')
    if (aside === undefined) return t.fail('it stays')
    const [gone] = await apply(bench, await removal(bench, 'p/d/a', aside))
    t.is(gone?.kind, 'done')
    bench.known.put('p/d/a', { entry: tombstone(), seen: null })
    await bench.reopen()
    t.ok((await bench.disk.recover()).includes(key('p/d')))
    t.alike(summary(await scan(bench)), [])
    t.is(await bench.user.read('p/d/e/b'), 'bytes of p/d/e/b')
  })
}
