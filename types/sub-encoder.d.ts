declare module 'sub-encoder' {
  export default class SubEncoder {
    constructor(prefix: string, encoding: 'utf-8' | 'binary')
    encode(key: string | Buffer): Buffer
    decode(key: Buffer): string | Buffer
  }
}
