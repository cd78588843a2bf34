import {
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import { AskeeError, concat, encode, fromHex, type NodeId } from '@askee/core'
import { p256Jwk } from '../p256.ts'
import type { Layers } from '../sealing/sealer.ts'
import type { Direction } from './frame.ts'

/** One AEAD key and the constant part of its nonces (as TLS 1.3 does it, RFC 8446, 5.3). */
export interface LayerKey {
  readonly cipher: 'aes-256-gcm' | 'chacha20-poly1305'
  /** As node holds it: made of bytes for every message it would cost three times what the sealing costs. */
  readonly key: KeyObject
  readonly iv: Uint8Array
}

/** Keys of one direction, the outer layer first. */
export type DirectionKeys = readonly LayerKey[]

/** What both sides must have meant alike for their keys to be equal. */
export interface SessionContext {
  readonly sid: string
  readonly conv: string
  readonly layers: Layers
  readonly initiator: NodeId
  readonly responder: NodeId
  /** The sealing keys that the opening envelopes were sealed to. */
  readonly initiatorKid: string
  readonly responderKid: string
  /** SHA-256 over the digests of both envelopes, as they travelled. */
  readonly handshake: Uint8Array
}

/** Fresh keys of one side for one session: what is stolen later opens nothing of it. */
export interface Share {
  readonly publicKey: Uint8Array
  /** Of the second layer's curve; only in two layers. */
  readonly innerKey: Uint8Array | null
  readonly privateKey: KeyObject
  readonly innerPrivate: KeyObject | null
}

/** What one side told the other inside its envelope. */
export interface TheirShare {
  readonly share: Uint8Array
  readonly innerShare: Uint8Array | null
  readonly secret: Uint8Array
}

const X25519_SPKI = fromHex('302a300506032b656e032100')
const DOMAIN = 'askee/session/1'
const KEY_BYTES = 32
const IV_BYTES = 12

export function makeShare(layers: Layers): Share {
  const outer = generateKeyPairSync('x25519')
  const spki = outer.publicKey.export({ format: 'der', type: 'spki' })
  const publicKey = Uint8Array.from(spki.subarray(X25519_SPKI.byteLength))
  if (layers === 'single') {
    return { publicKey, innerKey: null, privateKey: outer.privateKey, innerPrivate: null }
  }
  const inner = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const { x, y } = inner.publicKey.export({ format: 'jwk' })
  const innerKey = concat(
    Uint8Array.of(4),
    Buffer.from(x as string, 'base64url'),
    Buffer.from(y as string, 'base64url'),
  )
  return { publicKey, innerKey, privateKey: outer.privateKey, innerPrivate: inner.privateKey }
}

export function handshakeOf(hello: Uint8Array, accept: Uint8Array): Uint8Array {
  return hash('sha256', concat(digest(hello), digest(accept)), 'buffer')
}

export function digest(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/**
 * The keys of both directions: HKDF-SHA-256 over the fresh Diffie-Hellman secret and the secrets that travelled sealed, with
 * both envelopes as salt and everything of the context as info. The second layer takes another curve and cipher.
 * @param secrets of the initiator, then of the responder
 * @throws AskeeError `session/share` when a share is no point of its curve
 */
export function deriveKeys(
  context: SessionContext,
  own: Share,
  theirs: TheirShare,
  secrets: readonly [Uint8Array, Uint8Array],
): Readonly<Record<Direction, DirectionKeys>> {
  const agreed: { cipher: LayerKey['cipher']; dh: Uint8Array }[] = [
    { cipher: 'aes-256-gcm', dh: agree(own.privateKey, () => x25519Key(theirs.share)) },
  ]
  if (context.layers === 'double') {
    const { innerPrivate } = own
    const { innerShare } = theirs
    if (innerPrivate === null || innerShare === null) {
      throw new AskeeError('session/share', 'two layers need shares of both curves')
    }
    agreed.push({ cipher: 'chacha20-poly1305', dh: agree(innerPrivate, () => p256Key(innerShare)) })
  }
  const { handshake, ...names } = context
  const keysOf = (direction: Direction): DirectionKeys =>
    agreed.map(({ cipher, dh }) => {
      const info = encode({ domain: DOMAIN, ...names, direction, cipher })
      const ikm = concat(dh, ...secrets)
      const bytes = new Uint8Array(hkdfSync('sha256', ikm, handshake, info, KEY_BYTES + IV_BYTES))
      return { cipher, key: createSecretKey(bytes.subarray(0, KEY_BYTES)), iv: bytes.subarray(KEY_BYTES) }
    })
  return { 0: keysOf(0), 1: keysOf(1) }
}

function agree(privateKey: KeyObject, publicKey: () => KeyObject): Uint8Array {
  try {
    return diffieHellman({ privateKey, publicKey: publicKey() })
  } catch (cause) {
    throw new AskeeError('session/share', 'the share is no point of its curve', {}, { cause })
  }
}

function x25519Key(share: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([X25519_SPKI, share]), format: 'der', type: 'spki' })
}

function p256Key(share: Uint8Array): KeyObject {
  if (share[0] !== 0x04) throw new RangeError('expected an uncompressed point')
  return createPublicKey({ key: p256Jwk(share), format: 'jwk' })
}
