import { createHash } from 'node:crypto'
import type { Random } from '@askee/core'
import type { DeviceKey } from '../device-key.ts'
import { KEY_ID_BYTES, wrappingDeviceKey } from '../wrapping.ts'
import { openToken, type TokenInit } from './token.ts'

/** CKA_ID of a key that we make. */
const ID_BYTES = 16

export interface Pkcs11DeviceKeyInit extends TokenInit {
  /** The key's label in the token; made there at the first call. */
  readonly keyLabel: string
  readonly random: Random
}

/**
 * A device key that never leaves a token (HSM, smart card): an AES-256 key, sensitive and not extractable; every wrap and
 * unwrap happens inside. A key of that label that could be taken out is refused.
 * @throws AskeeError `keys/no-pkcs11`, `keys/no-token`, `keys/wrong-pin`, `keys/pin-locked`, `keys/pkcs11`
 */
export async function openPkcs11DeviceKey(init: Pkcs11DeviceKeyInit): Promise<DeviceKey> {
  const { keyLabel: label, random } = init
  const token = await openToken(init)
  try {
    // A key that somebody else made may have an id of any length.
    const id = await token.call({ op: 'aes-key', label, newId: random.bytes(ID_BYTES) })
    const hash = createHash('sha256').update('askee/device-key/token/1\0').update(id).digest()
    const keyId = new Uint8Array(hash.subarray(0, KEY_ID_BYTES))
    const cipher = {
      keyId,
      seal: (nonce: Uint8Array, associated: Uint8Array, data: Uint8Array) =>
        token.call({ op: 'encrypt', label, nonce, associated, data }),
      open: (nonce: Uint8Array, associated: Uint8Array, data: Uint8Array) =>
        token.call({ op: 'decrypt', label, nonce, associated, data }),
      close: () => token.close(),
    }
    return wrappingDeviceKey('pkcs11', cipher, random)
  } catch (error) {
    await token.close()
    throw error
  }
}
