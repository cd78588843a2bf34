import { AskeeError, bytesEqual, concat, type Random, utf8 } from '@askee/core'
import { NONCE_BYTES, seal, unseal } from './aead.ts'
import { deriveKey } from './derive-key.ts'

const CHECK_BYTES = 16

/** Seals whole small files of one kind: what is written each time anew and read at once. */
export interface FileSealing {
  /** @param name of the file: no other of this kind can stand in its place */
  seal(name: string, plain: Uint8Array): Uint8Array
  /**
   * What was sealed under that name.
   * @throws AskeeError `store/wrong-key` when another store wrote it, `store/damaged` when it was changed, cut, or is something else
   */
  open(name: string, sealed: Uint8Array): Uint8Array
}

/**
 * AES-256-GCM under a key derived from the store key. Format: `askee-KIND-1` and a line feed, 16 bytes that tell the key from
 * others, nonce (12), ciphertext, tag (16); the tag covers all of it and the name. An older file of the same name is not told from
 * the newest one.
 * @param kind lower case letters; one kind, one key
 * @throws AskeeError `store/key`
 */
export function fileSealing(random: Random, storeKey: Uint8Array, kind: string): FileSealing {
  const key = deriveKey(storeKey, kind)
  const magic = utf8(`askee-${kind}-1\n`)
  const header = concat(magic, deriveKey(storeKey, `${kind}-check`).subarray(0, CHECK_BYTES))

  const refusal = (found: Uint8Array, name: string): AskeeError => {
    const alike = found.filter((byte, i) => i >= magic.byteLength && byte === header[i]).length
    const isOfOthers =
      found.byteLength === header.byteLength &&
      bytesEqual(found.subarray(0, magic.byteLength), magic) &&
      // A flipped bit leaves most of the check as it was, another key almost nothing.
      alike < CHECK_BYTES / 2
    return isOfOthers
      ? new AskeeError('store/wrong-key', `"${name}" was encrypted with another key`)
      : new AskeeError('store/damaged', `"${name}" is damaged, or is no file of ${kind}`)
  }
  return {
    seal(name, plain) {
      const nonce = random.bytes(NONCE_BYTES)
      return concat(header, nonce, seal(key, nonce, concat(header, utf8(name)), plain))
    },
    open(name, sealed) {
      const found = sealed.subarray(0, header.byteLength)
      if (!bytesEqual(found, header)) throw refusal(found, name)
      const nonce = sealed.subarray(header.byteLength, header.byteLength + NONCE_BYTES)
      const body = sealed.subarray(header.byteLength + NONCE_BYTES)
      const isWhole = nonce.byteLength === NONCE_BYTES
      const plain = isWhole ? unseal(key, nonce, concat(header, utf8(name)), body) : undefined
      if (plain === undefined) throw refusal(found, name)
      return plain
    },
  }
}
