/** Bounded overlap. */

/** Runs `work` on each item, at most `limit` at once; rejects with the first failure, after all that were started have ended. */
export async function eachAtMost<Item>(items: readonly Item[], limit: number, work: (item: Item) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < items.length) await work(items[next++] as Item)
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
