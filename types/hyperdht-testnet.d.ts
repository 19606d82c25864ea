/** What the tests use of hyperdht/testnet: DHT nodes on 127.0.0.1. */
declare module 'hyperdht/testnet' {
  interface Testnet {
    readonly bootstrap: readonly { readonly host: string; readonly port: number }[]
    destroy(): Promise<void>
  }
  export default function createTestnet(size?: number): Promise<Testnet>
}
