import { createPublicKey, type KeyObject, verify } from 'node:crypto'

/** SubjectPublicKeyInfo header of an Ed25519 key (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
/** Parsed keys kept: parsing costs as much as a tenth of a verification. */
const MAX_CACHED_KEYS = 1024

const cache = new Map<string, KeyObject>()

function keyObject(publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey).toString('latin1')
  const held = cache.get(name)
  if (held !== undefined) return held
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
  if (cache.size >= MAX_CACHED_KEYS) cache.delete(cache.keys().next().value as string)
  cache.set(name, key)
  return key
}

/**
 * Whether `signature` (64 bytes) over `message` was made by the Ed25519 key `publicKey` (32 bytes). The only
 * verifier in the product: libraries differ on small-order keys and malleable signatures, so there is one answer.
 */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.byteLength !== 32 || signature.byteLength !== 64) return false
  try {
    return verify(null, message, keyObject(publicKey), signature)
  } catch {
    return false
  }
}
