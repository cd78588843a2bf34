import {
  AskeeError,
  type Digest,
  digestBytes,
  type ProtocolLimits,
  type ProtocolName,
  toHex,
} from '@askee/core'
import { BLOCK_CHUNK_BYTES, BLOCKS_AT_ONCE } from '../defaults.ts'

/**
 * Request: 32 bytes digest, u32 offset. Answer: u32 bytes of the whole block, then at most 1 MiB from the
 * offset on. Refused with `mesh/not-found` when it is not here or not for the asker, who cannot tell which, and with
 * `mesh/rate-limited` when the asker has had its bytes.
 */
export const BLOCK_PROTOCOL: ProtocolName = '/askee/block/1'
/** Bytes are what costs, and serving.ts counts them; the number of requests is bounded only against floods. */
export const BLOCK_LIMITS: ProtocolLimits = {
  maxRequestBytes: 36,
  maxResponseBytes: BLOCK_CHUNK_BYTES + 4,
  ratePerSecond: 1000,
  burst: 4000,
  concurrency: 2 * BLOCKS_AT_ONCE,
}

export function encodeBlockRequest(digest: Digest, offset: number): Uint8Array {
  const body = new Uint8Array(36)
  body.set(digestBytes(digest))
  new DataView(body.buffer).setUint32(32, offset)
  return body
}

/** @throws AskeeError `blocks/malformed` */
export function decodeBlockRequest(body: Uint8Array): { digest: Digest; offset: number } {
  if (body.byteLength !== 36) {
    throw new AskeeError('blocks/malformed', `expected 36 bytes, received ${body.byteLength}`)
  }
  return {
    digest: toHex(body.subarray(0, 32)) as Digest,
    offset: new DataView(body.buffer, body.byteOffset + 32, 4).getUint32(0),
  }
}

export function encodeBlockAnswer(total: number, chunk: Uint8Array): Uint8Array {
  const answer = new Uint8Array(4 + chunk.byteLength)
  new DataView(answer.buffer).setUint32(0, total)
  answer.set(chunk, 4)
  return answer
}

/** Undefined when it is none. */
export function decodeBlockAnswer(answer: Uint8Array): { total: number; chunk: Uint8Array } | undefined {
  if (answer.byteLength < 4) return undefined
  return {
    total: new DataView(answer.buffer, answer.byteOffset, 4).getUint32(0),
    chunk: answer.subarray(4),
  }
}
