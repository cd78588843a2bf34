import { createCipheriv, createDecipheriv, createHash, createSecretKey } from 'node:crypto'
import { AskeeError } from '@askee/core'
import { KEY_ID_BYTES, TAG_BYTES, type WrappingCipher } from './wrapping.ts'

export const DEVICE_KEY_BYTES = 32
const ALGORITHM = 'aes-256-gcm'

/** AES-256-GCM under a key in this process. The bytes given are wiped: OpenSSL keeps the only copy we can reach. */
export function memoryCipher(key: Uint8Array): WrappingCipher {
  if (key.byteLength !== DEVICE_KEY_BYTES) {
    throw new AskeeError(
      'keys/device-key-file',
      `expected ${DEVICE_KEY_BYTES} bytes, received ${key.byteLength}`,
    )
  }
  const digest = createHash('sha256').update('askee/device-key/id/1\0').update(key).digest()
  let secretKey: ReturnType<typeof createSecretKey> | undefined = createSecretKey(key)
  key.fill(0)
  const held = (): ReturnType<typeof createSecretKey> => {
    if (secretKey === undefined) throw new AskeeError('keys/closed', 'the device key was closed')
    return secretKey
  }
  return {
    keyId: new Uint8Array(digest.subarray(0, KEY_ID_BYTES)),
    async seal(nonce, associated, secret) {
      const cipher = createCipheriv(ALGORITHM, held(), nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(associated)
      return new Uint8Array(Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()]))
    },
    async open(nonce, associated, sealed) {
      const decipher = createDecipheriv(ALGORITHM, held(), nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(associated)
      const end = sealed.byteLength - TAG_BYTES
      decipher.setAuthTag(sealed.subarray(end))
      return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]))
    },
    async close() {
      secretKey = undefined
    },
  }
}
