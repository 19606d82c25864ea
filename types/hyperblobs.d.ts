declare module 'hyperblobs' {
  import type Hypercore from 'hypercore'

  /** Where a blob lies in its core. */
  export interface BlobId {
    blockOffset: number
    blockLength: number
    byteOffset: number
    byteLength: number
  }

  export default class Hyperblobs {
    readonly core: Hypercore
  }
}
