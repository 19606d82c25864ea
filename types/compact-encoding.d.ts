declare module 'compact-encoding' {
  export interface State {
    start: number
    end: number
    buffer: Buffer
  }

  export interface Encoding<T> {
    preencode(state: State, value: T): void
    encode(state: State, value: T): void
    /** Throws if the bytes are not a value. */
    decode(state: State): T
  }

  interface CompactEncoding {
    readonly uint: Encoding<number>
    readonly uint8: Encoding<number>
    readonly uint16: Encoding<number>
    readonly uint32: Encoding<number>
    readonly fixed32: Encoding<Buffer>
    readonly fixed64: Encoding<Buffer>
    readonly buffer: Encoding<Buffer>
    readonly raw: Encoding<Buffer>
    readonly string: Encoding<string>
    readonly bool: Encoding<boolean>
    encode<T>(encoding: Encoding<T>, value: T): Buffer
    decode<T>(encoding: Encoding<T>, buffer: Buffer): T
    state(start?: number, end?: number, buffer?: Buffer | null): State
  }

  const c: CompactEncoding
  export default c
}
