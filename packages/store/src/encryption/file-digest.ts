import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

const PIECE_BYTES = 1024 * 1024

/** Length and SHA-256 of a whole file. */
export interface FileDigest {
  readonly bytes: number
  readonly sha256: string
}

export function digestOfFile(path: string): FileDigest {
  const hash = createHash('sha256')
  const piece = new Uint8Array(PIECE_BYTES)
  const file = openSync(path, 'r')
  try {
    for (let bytes = 0; ; ) {
      const length = readSync(file, piece, 0, PIECE_BYTES, null)
      if (length === 0) return { bytes, sha256: hash.digest('hex') }
      hash.update(piece.subarray(0, length))
      bytes += length
    }
  } finally {
    closeSync(file)
  }
}
