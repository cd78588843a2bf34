import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'

/** AES-256-GCM (NIST SP 800-38D) with 12-byte nonces and whole tags of 16 bytes. */
export const NONCE_BYTES = 12
export const TAG_BYTES = 16
const ALGORITHM = 'aes-256-gcm'
/** Without it node takes a tag of four bytes for a whole one. */
const OPTIONS = { authTagLength: TAG_BYTES }

// Node takes three times as long for a key in bytes as for one that was made a KeyObject first, the making included.

/** Ciphertext with its tag behind it. A nonce never serves twice with one key. */
export function seal(key: Uint8Array, nonce: Uint8Array, context: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, createSecretKey(key), nonce, OPTIONS).setAAD(context)
  const sealed = new Uint8Array(plain.byteLength + TAG_BYTES)
  // In GCM update gives all bytes at once, and final none.
  sealed.set(cipher.update(plain))
  cipher.final()
  sealed.set(cipher.getAuthTag(), plain.byteLength)
  return sealed
}

/** What was sealed, or undefined when key, nonce, context or a single bit differ. */
export function unseal(
  key: Uint8Array,
  nonce: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.byteLength - TAG_BYTES
  if (length < 0) return undefined
  const decipher = createDecipheriv(ALGORITHM, createSecretKey(key), nonce, OPTIONS)
    .setAAD(context)
    .setAuthTag(sealed.subarray(length))
  const plain = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final()
  } catch {
    plain.fill(0)
    return undefined
  }
  return new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength)
}
