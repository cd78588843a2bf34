import { isDigest } from '@askee/core'
import { type BlockFormat, PIECE_BYTES, readFully } from './format.ts'

/** A block as it is, in a file named by its digest. */
export const plainFormat: BlockFormat = {
  nameOf: (digest) => digest,
  owns: isDigest,
  contentBytes: (fileBytes) => fileBytes,
  fileBytes: (bytes) => bytes,
  write: (file, _digest, bytes) => file.writeFile(bytes),
  async *read(file, _digest, offset, length) {
    for (let at = offset; at < offset + length; ) {
      const piece = await readFully(file, new Uint8Array(Math.min(PIECE_BYTES, offset + length - at)), at)
      if (piece.byteLength === 0) return
      yield piece
      at += piece.byteLength
    }
  },
}
