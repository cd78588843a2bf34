import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { AskeeError, type NodeId, type Random } from '@askee/core'
import { nodeIdFromPublicKey } from './node-id.ts'

/** PKCS#8 header of an Ed25519 seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A key that signs. The seed stays inside; it is handed out only to who opens the libp2p node with it. */
export interface Identity {
  readonly id: NodeId
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64-byte Ed25519 signature. */
  sign(message: Uint8Array): Uint8Array
  /** The 32-byte seed (RFC 8032). Keep it out of logs and messages. */
  exportSeed(): Uint8Array
}

/** A new identity from 32 bytes of entropy. */
export function createIdentity(random: Random): Identity {
  return identityFromSeed(random.bytes(32))
}

/**
 * The identity of a seed.
 * @throws AskeeError `keys/seed` when it has not 32 bytes
 */
export function identityFromSeed(seed: Uint8Array): Identity {
  if (seed.byteLength !== 32)
    throw new AskeeError('keys/seed', `expected 32 bytes, received ${seed.byteLength}`)
  const own = Uint8Array.from(seed)
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, own]),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const publicKey = new Uint8Array(spki.subarray(spki.byteLength - 32))
  return {
    id: nodeIdFromPublicKey(publicKey),
    publicKey,
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
    exportSeed: () => Uint8Array.from(own),
  }
}
