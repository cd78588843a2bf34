import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  type webcrypto,
} from 'node:crypto'
import * as hpke from 'hpke'
import type { SealingUse } from '../hierarchy/uses.ts'
import { p256FromSeed } from '../p256.ts'

const TAG_BYTES = 16

/** RFC 8439 by OpenSSL: WebCrypto's is experimental in Node 24 and says so on standard error. */
const chacha20Poly1305: hpke.AEADFactory = () => ({
  id: 0x0003,
  type: 'AEAD',
  name: 'ChaCha20Poly1305',
  Nk: 32,
  Nn: 12,
  Nt: TAG_BYTES,
  async Seal(key, nonce, aad, plaintext) {
    const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(aad, { plaintextLength: plaintext.byteLength })
    return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]))
  },
  async Open(key, nonce, aad, sealed) {
    const end = Math.max(0, sealed.byteLength - TAG_BYTES)
    const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(aad, { plaintextLength: end })
    decipher.setAuthTag(sealed.subarray(end))
    return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]))
  },
})

/**
 * The two layers share neither curve nor cipher: a weakness of one leaves the other (RFC 9180; second layer only in
 * paranoid mode).
 */
export const SUITES: Readonly<Record<SealingUse, hpke.CipherSuite>> = {
  sealing: new hpke.CipherSuite(
    hpke.KEM_DHKEM_X25519_HKDF_SHA256,
    hpke.KDF_HKDF_SHA256,
    hpke.AEAD_AES_256_GCM,
  ),
  'sealing-inner': new hpke.CipherSuite(
    hpke.KEM_DHKEM_P256_HKDF_SHA256,
    hpke.KDF_HKDF_SHA256,
    chacha20Poly1305,
  ),
}

export type SealingKeyPair = hpke.KeyPair

/** PKCS#8 header of an X25519 key (RFC 8410). */
const X25519_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** The key pair of 32 bytes of entropy. The private half never leaves WebCrypto again. */
export async function sealingKeyPair(
  use: SealingUse,
  seed: Uint8Array,
): Promise<{ pair: SealingKeyPair; publicKey: Uint8Array }> {
  const { algorithm, privateKey, publicKey } = use === 'sealing' ? x25519(seed) : p256(seed)
  const pair = {
    privateKey: privateKey.toCryptoKey(algorithm, false, ['deriveBits']),
    publicKey: await SUITES[use].DeserializePublicKey(publicKey),
  }
  return { pair, publicKey }
}

interface Raw {
  readonly algorithm: webcrypto.EcKeyAlgorithm | webcrypto.KeyAlgorithm
  readonly privateKey: KeyObject
  readonly publicKey: Uint8Array
}

// Imported here and not by the library, which asks WebCrypto for the public half: experimental in Node 24.
function x25519(seed: Uint8Array): Raw {
  const privateKey = createPrivateKey({
    key: Buffer.concat([X25519_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const publicKey = new Uint8Array(spki.subarray(spki.byteLength - 32))
  return { algorithm: { name: 'X25519' }, privateKey, publicKey }
}

function p256(seed: Uint8Array): Raw {
  const { jwk, publicKey } = p256FromSeed(seed)
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  return { algorithm: { name: 'ECDH', namedCurve: 'P-256' }, privateKey, publicKey }
}
