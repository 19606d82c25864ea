/** The version of this installation, as its package.json states it. */
import { ownPackage } from './package-root.ts'

export function version(): string {
  return ownPackage().version
}
