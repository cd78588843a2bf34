import { AskeeError } from '../errors.ts'
import { type Digest, digestOf } from '../ids.ts'
import type { BlockStore } from '../ports/blocks.ts'

/**
 * Blocks in a map, the oldest unpinned one evicted first.
 * @param maxBytes largest sum of kept bytes
 */
export function createMemoryBlockStore(maxBytes = 256 * 1024 * 1024): BlockStore {
  const blocks = new Map<Digest, Uint8Array>()
  const pins = new Map<Digest, number>()
  let held = 0

  const drop = (digest: Digest): void => {
    held -= blocks.get(digest)?.byteLength ?? 0
    blocks.delete(digest)
  }
  const makeRoom = (needed: number): void => {
    for (const digest of [...blocks.keys()]) {
      if (held + needed <= maxBytes) return
      if (!pins.has(digest)) drop(digest)
    }
    if (held + needed > maxBytes) {
      throw new AskeeError(
        'blocks/full',
        `expected room for ${needed} bytes within ${maxBytes}, ${held} are held`,
      )
    }
  }

  const verified = (digest: Digest): Uint8Array | undefined => {
    const bytes = blocks.get(digest)
    if (bytes === undefined || digestOf(bytes) === digest) return bytes
    drop(digest)
    return undefined
  }

  return {
    has: async (digest) => blocks.has(digest),
    get: async (digest) => verified(digest),
    sizeOf: async (digest) => blocks.get(digest)?.byteLength,
    // What is in memory was verified when it was put.
    readRange: async (digest, offset, length) => blocks.get(digest)?.slice(offset, offset + length),
    put: async (bytes) => {
      const digest = digestOf(bytes)
      if (!blocks.has(digest)) {
        makeRoom(bytes.byteLength)
        blocks.set(digest, Uint8Array.from(bytes))
        held += bytes.byteLength
      }
      return digest
    },
    remove: async (digest) => {
      if (!blocks.has(digest)) return 'absent'
      if (pins.has(digest)) return 'pinned'
      drop(digest)
      return 'removed'
    },
    removeAllBut: async (kept) => {
      const names = new Set(kept())
      const rest = [...blocks.keys()].filter((digest) => !names.has(digest) && !pins.has(digest))
      rest.forEach(drop)
      return rest.length
    },
    pin: (digest) => {
      pins.set(digest, (pins.get(digest) ?? 0) + 1)
      let pinned = true
      return () => {
        if (!pinned) return
        pinned = false
        const left = (pins.get(digest) ?? 1) - 1
        if (left === 0) pins.delete(digest)
        else pins.set(digest, left)
      }
    },
    size: () => held,
    diskBytes: (bytes) => bytes,
  }
}
