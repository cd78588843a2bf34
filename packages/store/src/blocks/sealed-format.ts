import { createHmac } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { AskeeError, bytesEqual, concat, type Digest, digestBytes, type Random, utf8 } from '@askee/core'
import { NONCE_BYTES, seal, TAG_BYTES, unseal } from '../aead.ts'
import { deriveKey } from '../derive-key.ts'
import { type BlockFormat, PIECE_BYTES, readFully } from './format.ts'

const MAGIC = utf8('askeebl1')
const SALT_BYTES = 16
const HEADER_BYTES = MAGIC.byteLength + SALT_BYTES
/** Sealed and read as one: what is read of a block is authenticated without reading all of it. */
const CHUNK_BYTES = 256 * 1024
const CHUNKS_AT_ONCE = PIECE_BYTES / CHUNK_BYTES
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
/** Every file of a sealed block ends so. */
export const SEALED_END = '.sealed'
const NAME = /^[0-9a-f]{64}\.sealed$/

/**
 * Blocks in chunks of AES-256-GCM. A file has a key of its own, from the store key, the block's digest and a salt, so the
 * number of the chunk serves as nonce; digest and length of the block are authenticated with each chunk, so chunks can
 * be neither moved, nor left out, nor taken from another block. A file's name is a keyed hash of the digest: whoever
 * has the disk alone cannot tell which blocks it holds.
 */
export function sealedFormat(storeKey: Uint8Array, random: Random): BlockFormat {
  const nameKey = deriveKey(storeKey, 'block-names')
  const sealingKey = deriveKey(storeKey, 'blocks')
  const fileKey = (digest: Digest, salt: Uint8Array) =>
    createHmac('sha256', sealingKey).update(salt).update(digestBytes(digest)).digest()

  return {
    nameOf: (digest) =>
      `${createHmac('sha256', nameKey).update(digestBytes(digest)).digest('hex')}${SEALED_END}`,
    owns: (name) => NAME.test(name),
    contentBytes: contentBytesOf,
    fileBytes: (bytes) => HEADER_BYTES + bytes + Math.max(1, Math.ceil(bytes / CHUNK_BYTES)) * TAG_BYTES,

    async write(file, digest, bytes) {
      const salt = random.bytes(SALT_BYTES)
      const key = fileKey(digest, salt)
      const context = contextOf(digest, bytes.byteLength)
      let pending = [concat(MAGIC, salt)]
      for (let at = 0, i = 0; i === 0 || at < bytes.byteLength; at += CHUNK_BYTES, i++) {
        pending.push(seal(key, nonceOf(i), context, bytes.subarray(at, at + CHUNK_BYTES)))
        if (pending.length < CHUNKS_AT_ONCE) continue
        await writeAll(file, pending)
        pending = []
      }
      await writeAll(file, pending)
    },

    async *read(file, digest, offset, length) {
      const { salt, size } = await readHeader(file)
      const key = fileKey(digest, salt)
      const context = contextOf(digest, size)
      const end = Math.min(size, offset + length)
      for (let at = offset; at < end || (size === 0 && at === 0); ) {
        const first = Math.floor(at / CHUNK_BYTES)
        const count = Math.min(
          PIECE_BYTES / CHUNK_BYTES,
          Math.floor(Math.max(end - 1, 0) / CHUNK_BYTES) - first + 1,
        )
        const position = HEADER_BYTES + first * SEALED_CHUNK_BYTES
        const sealed = await readFully(file, Buffer.allocUnsafeSlow(count * SEALED_CHUNK_BYTES), position)
        for (let i = 0; i < count; i++) {
          const chunk = sealed.subarray(i * SEALED_CHUNK_BYTES, (i + 1) * SEALED_CHUNK_BYTES)
          const plain = unseal(key, nonceOf(first + i), context, chunk)
          if (plain === undefined) throw notAuthentic(`its chunk ${first + i} does not authenticate`)
          const start = (first + i) * CHUNK_BYTES
          yield plain.subarray(Math.max(at - start, 0), Math.min(end - start, plain.byteLength))
        }
        at = (first + count) * CHUNK_BYTES
        if (size === 0) return
      }
    },
  }
}

function contentBytesOf(fileBytes: number): number | undefined {
  const sealed = fileBytes - HEADER_BYTES
  const lastChunk = sealed % SEALED_CHUNK_BYTES
  if (sealed < TAG_BYTES || (lastChunk > 0 && lastChunk < TAG_BYTES)) return undefined
  return sealed - Math.ceil(sealed / SEALED_CHUNK_BYTES) * TAG_BYTES
}

/** All of it: a file that takes less than it is given, as on a full disk, throws. */
async function writeAll(file: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  if (parts.length > 0) await file.writeFile(Buffer.concat(parts))
}

async function readHeader(file: FileHandle): Promise<{ salt: Uint8Array; size: number }> {
  const header = await readFully(file, new Uint8Array(HEADER_BYTES), 0)
  const size = contentBytesOf((await file.stat()).size)
  if (size === undefined || !bytesEqual(header.subarray(0, MAGIC.byteLength), MAGIC)) {
    throw notAuthentic('it has another beginning or length than any block')
  }
  return { salt: header.subarray(MAGIC.byteLength), size }
}

function notAuthentic(why: string): AskeeError {
  return new AskeeError('blocks/damaged', why)
}

function nonceOf(index: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES)
  new DataView(nonce.buffer).setBigUint64(4, BigInt(index))
  return nonce
}

function contextOf(digest: Digest, length: number): Uint8Array {
  const size = new Uint8Array(8)
  new DataView(size.buffer).setBigUint64(0, BigInt(length))
  return concat(digestBytes(digest), size)
}
