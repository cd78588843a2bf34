import { createCipheriv, createDecipheriv } from 'node:crypto'
import { AskeeError } from '@askee/core'
import type { DirectionKeys, LayerKey } from './schedule.ts'

const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES }

/** Bytes that sealing adds. */
export function sealingBytes(keys: DirectionKeys): number {
  return keys.length * TAG_BYTES
}

/** Seals in every layer, the last one first. A sequence must never be used twice with the same keys. */
export function sealLayers(
  keys: DirectionKeys,
  seq: number,
  header: Uint8Array,
  plain: Uint8Array,
): readonly Uint8Array[] {
  let sealed: readonly Uint8Array[] = [plain]
  for (let i = keys.length - 1; i >= 0; i--) sealed = sealLayer(keys[i] as LayerKey, seq, header, sealed)
  return sealed
}

/** @throws AskeeError `session/unreadable` */
export function openLayers(
  keys: DirectionKeys,
  seq: number,
  header: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  try {
    let plain = sealed
    for (const key of keys) plain = openLayer(key, seq, header, plain)
    // Not node's Buffer, whose slices and comparisons behave otherwise.
    return new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength)
  } catch (cause) {
    throw new AskeeError('session/unreadable', 'the keys of this session do not open it', {}, { cause })
  }
}

function sealLayer(
  { cipher: name, key, iv }: LayerKey,
  seq: number,
  header: Uint8Array,
  plain: readonly Uint8Array[],
): readonly Uint8Array[] {
  // One name for both: their types differ in node, their use here does not.
  const cipher = createCipheriv(name as 'aes-256-gcm', key, nonceOf(iv, seq), OPTIONS)
  cipher.setAAD(header)
  const sealed = plain.map((part) => cipher.update(part))
  cipher.final()
  return [...sealed, cipher.getAuthTag()]
}

function openLayer(
  { cipher: name, key, iv }: LayerKey,
  seq: number,
  header: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  if (sealed.byteLength < TAG_BYTES) throw new RangeError('expected a tag of 16 bytes')
  const end = sealed.byteLength - TAG_BYTES
  const decipher = createDecipheriv(name as 'aes-256-gcm', key, nonceOf(iv, seq), OPTIONS)
  decipher.setAAD(header)
  decipher.setAuthTag(sealed.subarray(end))
  const plain = decipher.update(sealed.subarray(0, end))
  // Throws when the tag does not hold; a stream cipher has nothing left to give.
  decipher.final()
  return plain
}

function nonceOf(iv: Uint8Array, seq: number): Uint8Array {
  const nonce = Buffer.from(iv)
  const low = seq % 2 ** 32
  const high = (seq - low) / 2 ** 32
  nonce.writeUInt32BE((nonce.readUInt32BE(4) ^ high) >>> 0, 4)
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ low) >>> 0, 8)
  return nonce
}
