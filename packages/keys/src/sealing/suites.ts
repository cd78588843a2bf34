import { createPublicKey } from 'node:crypto'
import * as hpke from 'hpke'
import type { SealingUse } from '../hierarchy/uses.ts'
import { aes256Gcm, chacha20Poly1305, dhkemP256, dhkemX25519, hkdfSha256, type NodeKey } from './node-hpke.ts'

/**
 * The two layers share neither curve nor cipher: a weakness of one leaves the other (RFC 9180; second layer only in
 * paranoid mode).
 */
export const SUITES: Readonly<Record<SealingUse, hpke.CipherSuite<NodeKey>>> = {
  sealing: new hpke.CipherSuite(dhkemX25519, hkdfSha256, aes256Gcm),
  'sealing-inner': new hpke.CipherSuite(dhkemP256, hkdfSha256, chacha20Poly1305),
}

export type SealingKeyPair = hpke.KeyPair<NodeKey>
export type SealingPublicKey = NodeKey

/** The key pair of 32 bytes of entropy. */
export async function sealingKeyPair(
  use: SealingUse,
  seed: Uint8Array,
): Promise<{ pair: SealingKeyPair; publicKey: Uint8Array }> {
  const suite = SUITES[use]
  const privateKey = await suite.DeserializePrivateKey(seed)
  const handle = createPublicKey(privateKey.handle)
  const raw = await suite.SerializePublicKey({ ...privateKey, type: 'public', extractable: true, handle })
  const publicKey = await suite.DeserializePublicKey(raw)
  return { pair: { privateKey, publicKey }, publicKey: raw }
}
