declare module 'z32' {
  interface Z32 {
    encode(bytes: Uint8Array): string
    /** Throws on a character outside the alphabet. */
    decode(text: string): Buffer
  }

  const z32: Z32
  export default z32
}
