/** What a user does to a directory that is set aside: he has a file of it open from before. */
import type { DiskStore } from '../fakes/disk-store.ts'
import type { DirectoryNode, FakeNode } from '../fakes/tree.ts'
import type { Ledger } from './ledger.ts'

/** @returns false if nothing is. */
export function writeAside(disk: DiskStore, ledger: Ledger, where: string, nth: number, text: string): boolean {
  const files = [...disk.aside.values()].flatMap(({ node }) => leavesOf(node)).filter((node) => node.kind === 'file')
  const node = files[nth % Math.max(1, files.length)]
  if (node === undefined) return false
  ledger.gave({ ...node })
  if (node.links > 1) ledger.overwroteInPlace({ ...node })
  node.data = Buffer.from(text)
  node.mtimeNs = node.ctimeNs = disk.tree.stamp()
  ledger.wroteAgain(where, node)
  return true
}

/** All below it that are no directories. */
export function leavesOf(directory: DirectoryNode): FakeNode[] {
  return [...directory.children.values()].flatMap((node) => (node.kind === 'directory' ? leavesOf(node) : [node]))
}
