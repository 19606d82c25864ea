/** What we call of fs-native-extensions. */
declare module 'fs-native-extensions' {
  /** False if another open file holds the lock. Released when the descriptor is closed. */
  export function tryLock(fd: number): boolean
  /** renameat2 with RENAME_EXCHANGE: both names must exist, neither is followed if it is a symlink. */
  export function swap(from: string, to: string): Promise<void>
}
