import { AskeeError, type BlockStore, type Digest } from '@askee/core'

/** Puts that a crowd of others may push out again before the pin holds. */
const ATTEMPTS = 3

/**
 * Keeps a block that must not be evicted until the returned function is called.
 * @param put how it is kept; default: in the store alone, without telling anybody
 * @throws AskeeError `blocks/full`
 */
export async function putPinned(
  blocks: BlockStore,
  bytes: Uint8Array,
  put: (bytes: Uint8Array) => Promise<Digest> = (block) => blocks.put(block),
): Promise<() => void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const digest = await put(bytes)
    const unpin = blocks.pin(digest)
    // Another put may have made room with it in between.
    if (await blocks.has(digest)) return unpin
    unpin()
  }
  throw new AskeeError('blocks/full', `${bytes.byteLength} bytes could not be kept: others need the room`)
}
