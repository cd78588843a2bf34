import type { Digest } from '../ids.ts'

/** Content-addressed bytes kept on this machine, within a limit. */
export interface BlockStore {
  has(digest: Digest): Promise<boolean>
  /** The bytes, verified against `digest`, or undefined when not held. A damaged block is dropped, not returned. */
  get(digest: Digest): Promise<Uint8Array | undefined>
  /** Bytes of a held block, or undefined when not held. Reads nothing of it. */
  sizeOf(digest: Digest): Promise<number | undefined>
  /**
   * At most `length` bytes from `offset` on, fewer at the block's end, or undefined when not held. The whole block is
   * verified when the first range of it is read after start, and damaged ones are dropped; later ranges are not
   * verified again, so whoever puts them together must.
   */
  readRange(digest: Digest, offset: number, length: number): Promise<Uint8Array | undefined>
  /**
   * Keeps `bytes`; older unpinned blocks make room.
   * @throws AskeeError `blocks/full` when it cannot fit
   */
  put(bytes: Uint8Array): Promise<Digest>
  /**
   * Drops a block now, for its consent has ended.
   * @returns `pinned` when it stays because somebody else here needs it, `absent` when it was not held
   */
  remove(digest: Digest): Promise<'removed' | 'pinned' | 'absent'>
  /**
   * Drops every block that is neither pinned nor named.
   * @param kept asked when it is its turn, behind puts asked for before
   * @returns how many were dropped
   * @throws the first error of a block that could not be dropped, after all others
   */
  removeAllBut(kept: () => Iterable<Digest>): Promise<number>
  /** Keeps a held block from being evicted until the returned function is called. */
  pin(digest: Digest): () => void
  /** Bytes held now. */
  size(): number
  /** What a block of so many bytes takes on disk, seal and whole pages of the file system included. */
  diskBytes(bytes: number): number
}
