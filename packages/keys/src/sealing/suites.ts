import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
} from 'node:crypto'
import * as hpke from 'hpke'
import type { SealingUse } from '../hierarchy/uses.ts'

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
  const suite = SUITES[use]
  const { secret, publicKey } = use === 'sealing' ? x25519(seed) : p256(seed)
  const [privateKey, sharedKey] = await Promise.all([
    suite.DeserializePrivateKey(secret, false),
    suite.DeserializePublicKey(publicKey),
  ])
  return { pair: { privateKey, publicKey: sharedKey }, publicKey }
}

function x25519(seed: Uint8Array): { secret: Uint8Array; publicKey: Uint8Array } {
  const key = createPrivateKey({ key: Buffer.concat([X25519_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return { secret: seed, publicKey: new Uint8Array(spki.subarray(spki.byteLength - 32)) }
}

/** One seed in 2^32 is no scalar of P-256: then its digest is taken. */
function p256(seed: Uint8Array): { secret: Uint8Array; publicKey: Uint8Array } {
  const ecdh = createECDH('prime256v1')
  try {
    ecdh.setPrivateKey(seed)
  } catch {
    return p256(createHash('sha256').update(seed).digest())
  }
  return { secret: seed, publicKey: new Uint8Array(ecdh.getPublicKey()) }
}
