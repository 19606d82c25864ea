/** What tests do as another user must be able to fail. */
import test from 'brittle'
import { asUser, LOADED_LATE, requireAsBrittle } from './user.ts'

test('what a failing assertion needs was loaded before the user who may not read it takes over', (t) => {
  if (process.geteuid?.() !== 0) return t.comment('runs as an ordinary user, who reads what he began with')
  asUser(t)?.back()
  t.alike(LOADED_LATE.filter((name) => !(requireAsBrittle.resolve(name) in requireAsBrittle.cache)), [])
})
