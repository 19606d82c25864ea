declare module 'hypercore-crypto' {
  import type { TreeNode } from 'hypercore-storage'

  /** The hash of a block as it is stored. */
  export function data(block: Uint8Array): Buffer

  const crypto: {
    data(block: Uint8Array | object): Buffer
    parent(left: TreeNode, right: TreeNode): Buffer
  }
  export default crypto
}
