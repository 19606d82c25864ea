declare module 'sodium-universal' {
  interface Sodium {
    readonly crypto_box_SEALBYTES: number
    crypto_sign_seed_keypair(publicKey: Buffer, secretKey: Buffer, seed: Buffer): void
    crypto_sign_detached(signature: Buffer, message: Buffer, secretKey: Buffer): void
    crypto_sign_verify_detached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean
    crypto_sign_ed25519_pk_to_curve25519(out: Buffer, publicKey: Buffer): void
    crypto_sign_ed25519_sk_to_curve25519(out: Buffer, secretKey: Buffer): void
    crypto_box_seal(out: Buffer, message: Buffer, publicKey: Buffer): void
    crypto_box_seal_open(out: Buffer, box: Buffer, publicKey: Buffer, secretKey: Buffer): boolean
  }

  const sodium: Sodium
  export default sodium
}
