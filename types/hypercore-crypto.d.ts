declare module 'hypercore-crypto' {
  import type { TreeNode } from 'hypercore-storage'

  const crypto: {
    /** The hash of a block as it is stored. */
    data(block: Uint8Array): Buffer
    parent(left: TreeNode, right: TreeNode): Buffer
  }
  export default crypto
}
