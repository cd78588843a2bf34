import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  type KeyObject,
} from 'node:crypto'
import { AskeeError, concat, fromHex, utf8 } from '@askee/core'
import * as hpke from 'hpke'
import { p256FromSeed, p256Jwk } from '../p256.ts'

/**
 * The building blocks of RFC 9180 by synchronous calls of node:crypto. Through WebCrypto, which the library takes by itself, one
 * message goes to the thread pool and back some twenty times, and ChaCha20-Poly1305 is experimental in Node 24.
 * A test holds every block against the library's own.
 */

const TAG_BYTES = 16
const HASH_BYTES = 32
const BLOCK_BYTES = 64
const EMPTY = new Uint8Array(0)

/**
 * HMAC-SHA-256 (RFC 2104) of two one-shot hashes: nine of them stand in one message, and an object of `createHmac` costs
 * three times as much as both. Keys here are digests, so never longer than a block.
 */
function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  if (key.byteLength > BLOCK_BYTES) throw new RangeError('expected a key of at most one block')
  const inner = new Uint8Array(BLOCK_BYTES).fill(0x36)
  const outer = new Uint8Array(BLOCK_BYTES).fill(0x5c)
  for (let i = 0; i < key.byteLength; i++) {
    inner[i] = (inner[i] as number) ^ (key[i] as number)
    outer[i] = (outer[i] as number) ^ (key[i] as number)
  }
  return hash('sha256', concat(outer, hash('sha256', concat(inner, data), 'buffer')), 'buffer')
}

/** HKDF with SHA-256 (RFC 5869). */
export const hkdfSha256: hpke.KDFFactory = () => ({
  id: 0x0001,
  type: 'KDF',
  name: 'HKDF-SHA256',
  Nh: HASH_BYTES,
  stages: 2,
  Extract: async (salt, ikm) => hmac(salt.byteLength === 0 ? new Uint8Array(HASH_BYTES) : salt, ikm),
  async Expand(prk, info, length) {
    let block: Uint8Array = EMPTY
    const blocks: Uint8Array[] = []
    for (let i = 1; (i - 1) * HASH_BYTES < length; i++) {
      block = hmac(prk, concat(block, info, Uint8Array.of(i)))
      blocks.push(block)
    }
    return concat(...blocks).slice(0, length)
  },
  Derive: () => Promise.reject(new TypeError('HKDF has two stages')),
})

function aead(id: number, name: string, cipherName: 'aes-256-gcm' | 'chacha20-poly1305'): hpke.AEADFactory {
  // One name for both: their types differ in node, their use here does not.
  const algorithm = cipherName as 'aes-256-gcm'
  const options = { authTagLength: TAG_BYTES }
  return () => ({
    id,
    type: 'AEAD',
    name,
    Nk: 32,
    Nn: 12,
    Nt: TAG_BYTES,
    async Seal(key, nonce, aad, plaintext) {
      const cipher = createCipheriv(algorithm, key, nonce, options)
      cipher.setAAD(aad, { plaintextLength: plaintext.byteLength })
      return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
    },
    async Open(key, nonce, aad, sealed) {
      if (sealed.byteLength < TAG_BYTES) throw new RangeError('expected a tag of 16 bytes')
      const end = sealed.byteLength - TAG_BYTES
      const decipher = createDecipheriv(algorithm, key, nonce, options)
      decipher.setAAD(aad, { plaintextLength: end })
      decipher.setAuthTag(sealed.subarray(end))
      return concat(decipher.update(sealed.subarray(0, end)), decipher.final())
    },
  })
}

export const aes256Gcm = aead(0x0002, 'AES-256-GCM', 'aes-256-gcm')
/** RFC 8439. */
export const chacha20Poly1305 = aead(0x0003, 'ChaCha20Poly1305', 'chacha20-poly1305')

/** A key as node:crypto holds it; it is never handed out. */
export interface NodeKey extends hpke.Key {
  readonly handle: KeyObject
  /** Of a public key: as it travels, so that it is not exported for every message. */
  readonly raw?: Uint8Array
}

interface Curve {
  readonly id: number
  readonly name: string
  readonly publicBytes: number
  generate(): { publicKey: KeyObject; privateKey: KeyObject }
  /** The private key of 32 bytes of entropy. */
  fromSeed(seed: Uint8Array): KeyObject
  /** @throws when the bytes are no point of the curve */
  parse(publicKey: Uint8Array): KeyObject
  serialize(publicKey: KeyObject): Uint8Array
}

const X25519_SPKI = fromHex('302a300506032b656e032100')
const X25519_PKCS8 = fromHex('302e020100300506032b656e04220420')

const x25519: Curve = {
  id: 0x0020,
  name: 'X25519',
  publicBytes: 32,
  generate: () => generateKeyPairSync('x25519'),
  fromSeed: (seed) =>
    createPrivateKey({ key: Buffer.concat([X25519_PKCS8, seed]), format: 'der', type: 'pkcs8' }),
  parse: (publicKey) =>
    createPublicKey({ key: Buffer.concat([X25519_SPKI, publicKey]), format: 'der', type: 'spki' }),
  serialize: (key) =>
    new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(X25519_SPKI.byteLength)),
}

const p256: Curve = {
  id: 0x0010,
  name: 'P-256',
  publicBytes: 65,
  generate: () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
  fromSeed: (seed) => createPrivateKey({ key: p256FromSeed(seed).jwk, format: 'jwk' }),
  parse(publicKey) {
    if (publicKey[0] !== 0x04) throw new RangeError('expected an uncompressed point')
    return createPublicKey({ key: p256Jwk(publicKey), format: 'jwk' })
  },
  serialize(key) {
    const { x, y } = key.export({ format: 'jwk' })
    return concat(
      Uint8Array.of(4),
      Buffer.from(x as string, 'base64url'),
      Buffer.from(y as string, 'base64url'),
    )
  },
}

function keyOf(curve: Curve, type: 'public' | 'private', handle: KeyObject): NodeKey {
  return { algorithm: { name: curve.name }, extractable: type === 'public', type, handle }
}

/** DHKEM over a curve with HKDF-SHA256 (RFC 9180, 4.1). */
function dhkem(curve: Curve): hpke.KEMFactory<NodeKey> {
  const kdf = hkdfSha256()
  const suite = concat(utf8('KEM'), Uint8Array.of(curve.id >> 8, curve.id & 0xff))
  const sharedSecret = async (
    dh: Uint8Array,
    enc: Uint8Array,
    recipient: Uint8Array,
  ): Promise<Uint8Array> => {
    const prk = await hpke.LabeledExtract(kdf, suite, EMPTY, utf8('eae_prk'), dh)
    return hpke.LabeledExpand(kdf, suite, prk, utf8('shared_secret'), concat(enc, recipient), HASH_BYTES)
  }
  const pairOf = (publicKey: KeyObject, privateKey: KeyObject): hpke.KeyPair<NodeKey> => ({
    publicKey: keyOf(curve, 'public', publicKey),
    privateKey: keyOf(curve, 'private', privateKey),
  })
  const rawOf = (key: NodeKey): Uint8Array => key.raw ?? curve.serialize(key.handle)
  const never = (): Promise<never> =>
    Promise.reject(new AskeeError('keys/not-exportable', 'private keys are made of seeds and stay inside'))
  return () => ({
    id: curve.id,
    type: 'KEM',
    name: `DHKEM(${curve.name}, HKDF-SHA256)`,
    Nsecret: HASH_BYTES,
    Nenc: curve.publicBytes,
    Npk: curve.publicBytes,
    Nsk: 32,
    DeriveKeyPair: never,
    SerializePrivateKey: never,
    async GenerateKeyPair() {
      const { publicKey, privateKey } = curve.generate()
      return pairOf(publicKey, privateKey)
    },
    SerializePublicKey: async (key) => rawOf(key),
    DeserializePublicKey: async (bytes) => ({
      ...keyOf(curve, 'public', curve.parse(bytes)),
      raw: Uint8Array.from(bytes),
    }),
    DeserializePrivateKey: async (seed) => keyOf(curve, 'private', curve.fromSeed(seed)),
    async Encap(recipient) {
      const { publicKey, privateKey } = curve.generate()
      const enc = curve.serialize(publicKey)
      // Throws for points of small order: their secret would be zero.
      const dh = diffieHellman({ privateKey, publicKey: recipient.handle })
      return { shared_secret: await sharedSecret(dh, enc, rawOf(recipient)), enc }
    },
    async Decap(enc, recipient, publicKey) {
      const own =
        publicKey === undefined ? curve.serialize(createPublicKey(recipient.handle)) : rawOf(publicKey)
      const dh = diffieHellman({ privateKey: recipient.handle, publicKey: curve.parse(enc) })
      return sharedSecret(dh, enc, own)
    },
  })
}

export const dhkemX25519 = dhkem(x25519)
export const dhkemP256 = dhkem(p256)
