import { createECDH, createHash, type JsonWebKey } from 'node:crypto'

/** The P-256 key of 32 bytes of entropy: as JSON Web Key, and its public point (uncompressed, 65 bytes). */
export function p256FromSeed(seed: Uint8Array): { jwk: JsonWebKey; publicKey: Uint8Array } {
  const ecdh = createECDH('prime256v1')
  try {
    ecdh.setPrivateKey(seed)
  } catch {
    // One seed in 2^32 is no scalar of P-256: then its digest is taken.
    return p256FromSeed(createHash('sha256').update(seed).digest())
  }
  const point = ecdh.getPublicKey()
  return {
    jwk: { ...p256Jwk(point), d: Buffer.from(seed).toString('base64url') },
    publicKey: new Uint8Array(point),
  }
}

/** A public point as JSON Web Key. */
export function p256Jwk(point: Uint8Array): JsonWebKey {
  return {
    kty: 'EC',
    crv: 'P-256',
    x: Buffer.from(point.subarray(1, 33)).toString('base64url'),
    y: Buffer.from(point.subarray(33)).toString('base64url'),
  }
}
