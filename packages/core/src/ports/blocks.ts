import type { Digest } from '../ids.ts'

/** Content-addressed bytes kept on this machine, within a limit. */
export interface BlockStore {
  has(digest: Digest): Promise<boolean>
  /** The bytes, verified against `digest`, or undefined when not held. A damaged block is dropped, not returned. */
  get(digest: Digest): Promise<Uint8Array | undefined>
  /**
   * Keeps `bytes`; older unpinned blocks make room.
   * @throws AskeeError `blocks/full` when it cannot fit
   */
  put(bytes: Uint8Array): Promise<Digest>
  /** Keeps a held block from being evicted until the returned function is called. */
  pin(digest: Digest): () => void
  /** Bytes held now. */
  size(): number
}
