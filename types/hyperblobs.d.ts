declare module 'hyperblobs' {
  import type Hypercore from 'hypercore'

  /** Where a blob lies in its core. */
  export interface BlobId {
    blockOffset: number
    blockLength: number
    byteOffset: number
    byteLength: number
    /** The range is that of a block map. */
    blockMap?: true
  }

  export default class Hyperblobs {
    readonly core: Hypercore
  }
}

declare module 'hyperblobs/lib/block-map.js' {
  interface BlockMap {
    readonly blocks: readonly { readonly index: number; readonly byteLength: number }[]
  }

  const blockMaps: {
    encode(map: BlockMap): Buffer[]
    decode(blocks: readonly Buffer[]): BlockMap | null
  }
  export default blockMaps
}
