/** Names as bytes: what is not valid UTF-8 is reported under an escaped name and never taken for another (invariant 6). */

const BEYOND_ASCII = /[\x80-\xff]/
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @returns null if the bytes (one latin1 character each) are not UTF-8. */
export function decodeName(latin1: string): string | null {
  if (!BEYOND_ASCII.test(latin1)) return latin1
  try {
    return decoder.decode(Buffer.from(latin1, 'latin1'))
  } catch {
    return null
  }
}

/** For people: no control character, no byte that is not ASCII, and a mark that keeps it from looking like a real name. */
export function escapeName(latin1: string): string {
  const escaped = latin1.replace(/[^\x20-\x7e]|\\/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return `${escaped} (not UTF-8)`
}
