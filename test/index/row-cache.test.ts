/** What the cache of rows may keep. */
import test from 'brittle'
import { RowCache } from '../../daemon/index/row-cache.ts'
import { path } from './fixtures.ts'

test('what a read brings that began before a flush ended is given, and not kept', async (t) => {
  const cache = new RowCache<string>(10)
  const age = cache.age
  cache.renew((put) => put(path('a'), 'new'))
  t.is(cache.keep(age, path('a'), 'old'), 'old')
  t.is(cache.keep(age, path('b'), 'old'), 'old')
  t.is(cache.get(path('a')), 'new')
  t.is(cache.get(path('b')), undefined)
  cache.keep(cache.age, path('b'), 'read after it')
  t.is(cache.get(path('b')), 'read after it')
})

test('a flush that failed leaves nothing, nor what was being read meanwhile', (t) => {
  const cache = new RowCache<string>(10)
  cache.keep(cache.age, path('a'), 'before')
  const age = cache.age
  cache.renew(null)
  cache.keep(age, path('b'), 'before')
  t.is(cache.size, 0)
})

test('only what is not here is read, and all come in order; null is a value', async (t) => {
  const cache = new RowCache<string | null>(10)
  cache.keep(cache.age, path('b'), null)
  const read: string[] = []
  const rows = await cache.all([path('a'), path('b'), path('c')], async (name) => {
    read.push(name)
    return name.toUpperCase()
  })
  t.alike(rows, ['A', null, 'C'])
  t.alike(read, ['a', 'c'])
})

test('a cache holds so many paths; the first go first', (t) => {
  const cache = new RowCache<number>(4)
  for (const [i, name] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    cache.keep(cache.age, path(name), i)
    t.ok(cache.size <= 4)
  }
  t.alike(['a', 'b', 'c', 'd', 'e'].map((name) => cache.get(path(name))), [undefined, undefined, 2, 3, 4])
})

test('the last value of a path counts, and one that is forgotten is gone, however old it is', (t) => {
  const cache = new RowCache<number>(4)
  for (const [i, name] of ['a', 'b', 'a'].entries()) cache.keep(cache.age, path(name), i)
  t.is(cache.get(path('a')), 2)
  cache.renew((put) => {
    put(path('a'), undefined)
    put(path('b'), undefined)
  })
  t.alike([cache.get(path('a')), cache.get(path('b'))], [undefined, undefined])
})
