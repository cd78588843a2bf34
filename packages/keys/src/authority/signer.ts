import { createHash, createPrivateKey, sign as signWith } from 'node:crypto'
import { AskeeError, type Random } from '@askee/core'
import type { WantedKey } from '../device-key/pkcs11/protocol.ts'
import { openToken, type TokenInit } from '../device-key/pkcs11/token.ts'
import type { KeyStore } from '../key-store/index.ts'
import { p256FromSeed } from '../p256.ts'

/** A P-256 key that signs certificates, wherever it lives. */
export interface CertificateSigner {
  /** Uncompressed point, 65 bytes. */
  readonly publicKey: Uint8Array
  /** ECDSA with SHA-256: r‖s, 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>
  close(): Promise<void>
}

export type { WantedKey }

const SEED_BYTES = 32
const ID_BYTES = 16

/**
 * A signer whose key is kept in the key store.
 * @param wanted default: made at the first call
 * @throws AskeeError `keys/no-key`, `keys/key-held`
 */
export async function openSoftwareSigner(
  store: KeyStore,
  name: string,
  wanted: WantedKey = 'either',
): Promise<CertificateSigner> {
  const isHeld = (await store.names()).includes(name)
  if (wanted === 'held' && !isHeld) throw new AskeeError('keys/no-key', `there is no key "${name}"`)
  if (wanted === 'new' && isHeld) throw new AskeeError('keys/key-held', `there is a key "${name}" already`)
  const { jwk, publicKey } = p256FromSeed(await store.secret(name, SEED_BYTES))
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  return {
    publicKey,
    sign: async (message) => new Uint8Array(signWith('sha256', message, { key, dsaEncoding: 'ieee-p1363' })),
    async close() {},
  }
}

/**
 * A signer whose key never leaves a token.
 * @param init.wanted default: made there at the first call
 * @throws AskeeError `keys/no-key`, `keys/key-held`, and as `openPkcs11DeviceKey`
 */
export async function openPkcs11Signer(
  init: TokenInit & { readonly keyLabel: string; readonly wanted?: WantedKey; readonly random: Random },
): Promise<CertificateSigner> {
  const { keyLabel: label, wanted = 'either', random } = init
  const token = await openToken(init)
  try {
    const publicKey = await token.call({ op: 'ec-key', label, wanted, newId: random.bytes(ID_BYTES) })
    return {
      publicKey,
      async sign(message) {
        const digest = createHash('sha256').update(message).digest()
        const signature = await token.call({ op: 'sign', label, digest })
        if (signature.byteLength === 64) return signature
        throw new AskeeError(
          'keys/pkcs11',
          `expected a signature of 64 bytes, received ${signature.byteLength}`,
        )
      },
      close: () => token.close(),
    }
  } catch (error) {
    await token.close()
    throw error
  }
}
