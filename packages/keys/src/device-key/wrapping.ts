import { createHash } from 'node:crypto'
import { AskeeError, bytesEqual, concat, type Random, utf8 } from '@askee/core'
import { type DeviceKey, MAX_SECRET_BYTES } from './device-key.ts'

/** AES-256-GCM under a key that may be out of reach (in a token). `sealed` is ciphertext and 16-byte tag. */
export interface WrappingCipher {
  /** 8 bytes that name the key and tell nothing about it. */
  readonly keyId: Uint8Array
  seal(nonce: Uint8Array, associated: Uint8Array, secret: Uint8Array): Promise<Uint8Array>
  /** Throws when the tag does not fit. */
  open(nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Promise<Uint8Array>
  close(): Promise<void>
}

const VERSION = 1
export const KEY_ID_BYTES = 8
const CONTEXT_ID_BYTES = 8
/** NIST SP 800-38D, 8.2.2: with random nonces of 96 bits a key is good for 2^32 calls; a device wraps some dozens a day. */
const NONCE_BYTES = 12
export const TAG_BYTES = 16
const HEADER_BYTES = 1 + KEY_ID_BYTES + CONTEXT_ID_BYTES + NONCE_BYTES

/** What `wrap` adds to a secret: version, key id, context id, nonce and tag. */
export const WRAPPING_OVERHEAD = HEADER_BYTES + TAG_BYTES

function contextId(context: string): Uint8Array {
  const hash = createHash('sha256').update('askee/device-key/context/1\0').update(context)
  return new Uint8Array(hash.digest().subarray(0, CONTEXT_ID_BYTES))
}

/**
 * A device key over any cipher. Format: version (1), key id (8), context id (8), nonce (12), ciphertext, tag (16); the
 * tag covers all of it and the context. Key id and context id only let a refusal say why.
 */
export function wrappingDeviceKey(
  provider: DeviceKey['provider'],
  cipher: WrappingCipher,
  random: Random,
): DeviceKey {
  let open = true
  const assertOpen = (): void => {
    if (!open) throw new AskeeError('keys/closed', 'the device key was closed; open it again')
  }
  return {
    provider,
    async wrap(secret, context) {
      assertOpen()
      assertSize(secret)
      const nonce = random.bytes(NONCE_BYTES)
      const header = concat(Uint8Array.of(VERSION), cipher.keyId, contextId(context), nonce)
      return concat(header, await cipher.seal(nonce, concat(header, utf8(context)), secret))
    },
    async unwrap(wrapped, context) {
      assertOpen()
      const { header, nonce, sealed } = parts(wrapped, cipher.keyId, context)
      try {
        return await cipher.open(nonce, concat(header, utf8(context)), sealed)
      } catch (cause) {
        if (cause instanceof AskeeError && cause.code !== 'keys/unwrap-refused') throw cause
        throw new AskeeError(
          'keys/unwrap-refused',
          `the wrapped secret "${context}" was changed or damaged. Restore it from a backup.`,
          {},
          { cause },
        )
      }
    },
    async close() {
      if (!open) return
      open = false
      await cipher.close()
    },
  }
}

function assertSize(secret: Uint8Array): void {
  if (secret.byteLength >= 1 && secret.byteLength <= MAX_SECRET_BYTES) return
  throw new AskeeError(
    'keys/secret-size',
    `expected 1 to ${MAX_SECRET_BYTES} bytes, received ${secret.byteLength}`,
  )
}

function parts(
  wrapped: Uint8Array,
  keyId: Uint8Array,
  context: string,
): { header: Uint8Array; nonce: Uint8Array; sealed: Uint8Array } {
  const { byteLength } = wrapped
  if (byteLength <= WRAPPING_OVERHEAD || byteLength > WRAPPING_OVERHEAD + MAX_SECRET_BYTES) {
    throw new AskeeError(
      'keys/wrapped-format',
      `expected ${WRAPPING_OVERHEAD + 1} to ${WRAPPING_OVERHEAD + MAX_SECRET_BYTES} bytes, received ${byteLength}`,
    )
  }
  if (wrapped[0] !== VERSION) {
    throw new AskeeError('keys/wrapped-format', `expected version ${VERSION}, received ${wrapped[0]}`)
  }
  const contextAt = 1 + KEY_ID_BYTES
  const nonceAt = contextAt + CONTEXT_ID_BYTES
  if (!bytesEqual(wrapped.subarray(1, contextAt), keyId)) {
    throw new AskeeError(
      'keys/wrong-key',
      `"${context}" was wrapped by another device key. Open the key store with the provider it was made with.`,
    )
  }
  if (!bytesEqual(wrapped.subarray(contextAt, nonceAt), contextId(context))) {
    throw new AskeeError('keys/wrong-context', `the wrapped secret is not the one named "${context}"`)
  }
  return {
    header: wrapped.subarray(0, HEADER_BYTES),
    nonce: wrapped.subarray(nonceAt, HEADER_BYTES),
    sealed: wrapped.subarray(HEADER_BYTES),
  }
}
