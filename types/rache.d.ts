declare module 'rache' {
  export default class Rache<K, V> {
    constructor(options: { maxSize: number })
    get(key: K): V | undefined
    set(key: K, value: V): void
    readonly globalSize: number
  }
}
