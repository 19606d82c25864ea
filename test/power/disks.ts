/** What a disk that is put back needs, so that the cut alone changes what a daemon finds. */
import { existsSync, lstatSync, lutimesSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Node can put back no more than microseconds, so nothing finer may stand there before: a time that a cut changes is an edit. */
export function roundTimes(root: string): void {
  for (const name of readdirSync(root)) {
    const path = join(root, name)
    const stat = lstatSync(path, { bigint: true })
    if (name === '.p2psync') continue
    if (stat.isDirectory()) roundTimes(path)
    else if (stat.mtimeNs % 1_000_000n !== 0n) lutimesSync(path, Number(stat.mtimeNs / 1_000_000n) / 1000, Number(stat.mtimeNs / 1_000_000n) / 1000)
  }
}

/** The store of a home, at rest: the file that tells a copied one from its original names its inode and its time. */
export function asOfThisDisk(home: string): void {
  const file = join(home, 'state', 'store', 'CORESTORE')
  if (!existsSync(file)) return
  const text = readFileSync(file, 'utf8')
  rmSync(file)
  writeFileSync(file, '')
  const lines = text.split('\n').filter((line) => line !== '' && !/^device\/(inode|created|attribute)=/.test(line))
  writeFileSync(file, `${[...lines, `device/inode=${lstatSync(file).ino}`, `device/created=${Date.now()}`].join('\n')}\n`)
}
