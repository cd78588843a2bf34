import { existsSync, readFileSync, statSync } from 'node:fs'
import { endianness } from 'node:os'
import { bytesEqual } from '@askee/core'

/** https://sqlite.org/walformat.html: sizes and places in the headers of the log and of its index. */
const WAL_HEADER_BYTES = 32
const WAL_CHECKED_BYTES = 24
const INDEX_HEADER_BYTES = 48
const INDEX_VERSION = 3007000
const BIG_ENDIAN_MAGIC = 0x377f0683

/**
 * How many frames of the write-ahead log were committed when the last process left it, by the log's index. SQLite takes a
 * damaged frame for the end of the log and drops it with all that follow, without a word; this number shows it.
 * @returns 0 when the index is missing, torn, or of an older log (then nothing is known)
 */
export function committedFrames(path: string): number {
  const index = readIfThere(`${path}-shm`)
  if (index === undefined || index.byteLength < 2 * INDEX_HEADER_BYTES) return 0
  const header = index.subarray(0, INDEX_HEADER_BYTES)
  if (!bytesEqual(header, index.subarray(INDEX_HEADER_BYTES, 2 * INDEX_HEADER_BYTES))) return 0
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
  const little = endianness() === 'LE'
  if (view.getUint32(0, little) !== INDEX_VERSION || header[12] !== 1) return 0
  const log = readIfThere(`${path}-wal`, WAL_HEADER_BYTES)
  const salts = header.subarray(32, 40)
  if (log !== undefined && isWhole(log) && !bytesEqual(salts, log.subarray(16, 24))) return 0
  return view.getUint32(16, little)
}

/** Whether something is in the write-ahead log or in a rollback journal beside the file. */
export function hasJournal(path: string): boolean {
  return ['-wal', '-journal'].some((end) => existsSync(path + end) && statSync(path + end).size > 0)
}

function readIfThere(path: string, length?: number): Uint8Array | undefined {
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  return new Uint8Array(
    bytes.buffer,
    bytes.byteOffset,
    Math.min(bytes.byteLength, length ?? bytes.byteLength),
  )
}

/** The checksum of the log's own header. */
function isWhole(log: Uint8Array): boolean {
  if (log.byteLength < WAL_HEADER_BYTES) return false
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength)
  const little = view.getUint32(0) !== BIG_ENDIAN_MAGIC
  let first = 0
  let second = 0
  for (let at = 0; at < WAL_CHECKED_BYTES; at += 8) {
    first = (first + view.getUint32(at, little) + second) >>> 0
    second = (second + view.getUint32(at + 4, little) + first) >>> 0
  }
  return first === view.getUint32(24) && second === view.getUint32(28)
}
