import { hkdfSync } from 'node:crypto'
import { AskeeError } from '@askee/core'

/** Bytes of the store key and of every key derived from it. */
export const KEY_BYTES = 32

/**
 * A key of its own for each use, from the one key of the store: HKDF-SHA256 (RFC 5869) without salt, the store key being
 * uniformly random. Who has a derived key learns nothing of the store key or of its other children.
 * @param storeKey 32 bytes
 * @param label what the key is for; the same label gives the same key
 * @throws AskeeError `store/key` when the store key is not 32 bytes
 */
export function deriveKey(storeKey: Uint8Array, label: string): Uint8Array {
  if (storeKey.byteLength !== KEY_BYTES) {
    throw new AskeeError('store/key', `expected a key of ${KEY_BYTES} bytes, received ${storeKey.byteLength}`)
  }
  return new Uint8Array(hkdfSync('sha256', storeKey, new Uint8Array(0), `askee/store/v1/${label}`, KEY_BYTES))
}
