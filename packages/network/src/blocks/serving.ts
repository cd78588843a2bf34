import { AskeeError, type BlockStore, type Clock, type Digest, type NodeId } from '@askee/core'
import {
  BLOCK_BURST_BYTES,
  BLOCK_BYTES_PER_SECOND,
  BLOCK_CHUNK_BYTES,
  BLOCK_REQUEST_COST_BYTES,
  OFFENCE_OVER_BYTES,
  OFFENCE_REFUSED,
} from '../defaults.ts'
import { TokenBuckets } from '../limits.ts'
import type { Offences } from '../offences.ts'
import { decodeBlockRequest, encodeBlockAnswer } from './protocol.ts'

export interface BlockServingComponents {
  readonly blocks: BlockStore
  readonly offences: Offences
  readonly clock: Clock
  readonly mayFetch: (peer: NodeId, digest: Digest) => boolean
  /** Waited for before so many bytes of a block go to the peer. */
  readonly pace?: PaceServing
}

/** @throws AskeeError `mesh/rate-limited` when it would take too long: the peer asks again */
export type PaceServing = (peer: NodeId, digest: Digest, bytes: number, signal?: AbortSignal) => Promise<void>

/** Gives chunks of the blocks held here to peers, so many bytes to each. */
export class BlockServing {
  readonly #components: BlockServingComponents
  readonly #served: TokenBuckets

  constructor(components: BlockServingComponents) {
    this.#components = components
    this.#served = new TokenBuckets(
      { perSecond: BLOCK_BYTES_PER_SECOND, burst: BLOCK_BURST_BYTES },
      components.clock,
    )
  }

  /**
   * Answers a request for a chunk. Nothing is read before it is known that the chunk is for the peer, exists and is
   * paid for. A peer that may not have a block is told the same as when it is not here.
   * @throws AskeeError `blocks/malformed` | `mesh/not-found` | `mesh/rate-limited`
   */
  async serve(from: NodeId, body: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const { blocks, offences, mayFetch, pace } = this.#components
    const { digest, offset } = decodeBlockRequest(body)
    if (!mayFetch(from, digest)) throw notHere()
    const total = await blocks.sizeOf(digest)
    if (total === undefined) throw notHere()
    if (offset > 0 && offset >= total) {
      offences.note(from, OFFENCE_REFUSED, 'a chunk past the end of its block')
      throw new AskeeError('blocks/malformed', `expected an offset below ${total}, received ${offset}`)
    }
    const length = Math.min(BLOCK_CHUNK_BYTES, total - offset)
    if (!this.#served.take(from, length + BLOCK_REQUEST_COST_BYTES)) {
      offences.note(from, OFFENCE_OVER_BYTES, 'more bytes of blocks than allowed')
      throw new AskeeError('mesh/rate-limited', 'slow down')
    }
    await pace?.(from, digest, length, signal)
    // It may have taken a while.
    if (!mayFetch(from, digest)) throw notHere()
    const chunk = await blocks.readRange(digest, offset, length)
    if (chunk === undefined) throw notHere()
    return encodeBlockAnswer(total, chunk)
  }
}

function notHere(): AskeeError {
  return new AskeeError('mesh/not-found', 'the block is not here')
}
