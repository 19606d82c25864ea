/** What stands on a simulated disk, wherever. */
import type { DiskStore } from '../fakes/disk-store.ts'
import type { Random } from '../fakes/random.ts'
import type { FakeUser } from '../fakes/user.ts'
import { leavesOf } from './aside.ts'
import { contentOf } from './ledger.ts'

export function contentsOf(disk: DiskStore): Set<string> {
  const nodes = [...disk.tree.walk()].map(([, node]) => node)
  for (const node of disk.history.values()) nodes.push(node)
  for (const { node } of disk.limbo) nodes.push(node)
  for (const { node } of disk.aside.values()) nodes.push(...leavesOf(node))
  return new Set(nodes.flatMap((node) => contentOf(node) ?? []))
}

/** Data that a user wrote and the kernel had not brought to the disk: the size was to follow the data. */
export function tear(disk: DiskStore, user: FakeUser, random: Random): void {
  const nodes = new Set([...disk.tree.walk()].map(([, node]) => node).concat([...disk.history.values()]))
  for (const node of nodes) {
    if (node.kind !== 'file' || !user.isUnsynced(node) || !random.chance(0.4)) continue
    node.data = node.data.subarray(0, random.below(node.data.length))
  }
}
