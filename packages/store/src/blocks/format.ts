import type { FileHandle } from 'node:fs/promises'
import type { Digest } from '@askee/core'

/** How blocks stand in their files. */
export interface BlockFormat {
  /** Name of a block's file; its first two characters name the folder. */
  nameOf(digest: Digest): string
  /** Whether a file of that name is of this format. */
  owns(name: string): boolean
  /** Bytes of the block in a file of so many bytes, or undefined when no whole block is that long. */
  contentBytes(fileBytes: number): number | undefined
  /** Bytes of the file of a block of so many bytes. */
  fileBytes(contentBytes: number): number
  /** Fills an empty file. */
  write(file: FileHandle, digest: Digest, bytes: Uint8Array): Promise<void>
  /**
   * The pieces of the block from `offset` on, in order, until `length` bytes have been given or the block ends.
   * @throws Error when a piece is not what was written for this block
   */
  read(file: FileHandle, digest: Digest, offset: number, length: number): AsyncIterable<Uint8Array>
}

/** Read or hashed between two turns of the event loop: about a millisecond. */
export const PIECE_BYTES = 1024 * 1024

/** Fills as much of `into` as the file has from `position` on. */
export async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<Uint8Array> {
  let length = 0
  while (length < into.byteLength) {
    const { bytesRead } = await file.read(into, length, into.byteLength - length, position + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return into.subarray(0, length)
}
