// The library's parts find each other by metadata; without this its import fails.
import 'reflect-metadata'
import { createPublicKey, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { p256Jwk } from '../p256.ts'
import type { CertificateSigner } from './signer.ts'

export { x509 }

export const SIGNING_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** WebCrypto as this runtime has it. */
export const own = webcrypto as webcrypto.Crypto

/** WebCrypto whose signatures are made by `signer`: its key may be in a token, so WebCrypto cannot hold it. */
export function cryptoOf(signer: CertificateSigner): webcrypto.Crypto {
  const subtle = {
    sign: async (_algorithm: unknown, _key: unknown, data: ArrayBuffer) =>
      Uint8Array.from(await signer.sign(new Uint8Array(data))).buffer,
    exportKey: own.subtle.exportKey.bind(own.subtle),
    importKey: own.subtle.importKey.bind(own.subtle),
    digest: own.subtle.digest.bind(own.subtle),
  }
  return { subtle } as unknown as webcrypto.Crypto
}

/** Stands for the key that only `cryptoOf(signer)` can reach. */
export const SIGNING_KEY = { algorithm: SIGNING_ALGORITHM, type: 'private' } as unknown as webcrypto.CryptoKey

/** SubjectPublicKeyInfo of a P-256 point. */
export function spkiOf(point: Uint8Array): Buffer {
  return createPublicKey({ key: p256Jwk(point), format: 'jwk' }).export({ format: 'der', type: 'spki' })
}

/** Whether a certificate claims to be signed with ECDSA and SHA-256: nothing else is verified. */
export function isSignedAsOurs(signed: { readonly signatureAlgorithm: unknown }): boolean {
  const { name, hash } = signed.signatureAlgorithm as { name?: string; hash?: { name?: string } }
  return name === 'ECDSA' && hash?.name === 'SHA-256'
}
