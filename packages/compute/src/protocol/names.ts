import type { ProtocolLimits, ProtocolName } from '@askee/core'

/** Requests between a requester and a worker. The arrow shows who asks. */
export const PROTOCOLS = {
  /** worker → requester: I may work for this campaign, here is the consent. */
  offer: '/askee/compute/offer/1',
  /** requester → worker: leases. */
  assign: '/askee/compute/assign/1',
  /** worker → requester: leases still held. */
  heartbeat: '/askee/compute/heartbeat/1',
  /** worker → requester: commitments, and leases that failed. */
  commit: '/askee/compute/commit/1',
  /** requester → worker: show what you committed to. */
  reveal: '/askee/compute/reveal/1',
  /** requester → worker: how it was decided. */
  settle: '/askee/compute/settle/1',
} as const satisfies Record<string, ProtocolName>

const MIB = 1024 * 1024

/** Most entries in one batch, whatever it holds. */
export const MAX_BATCH = 512
/** Inputs up to this size travel inside the assignment; larger ones are fetched as blocks. Bytes. */
export const INLINE_INPUT_BYTES = 16 * 1024
/** Outputs up to this size travel inside the reveal; larger ones are fetched as blocks. Bytes. */
export const INLINE_OUTPUT_BYTES = 64 * 1024
/** Payload after which a batch is cut, so that it stays below `maxRequestBytes` with its framing. */
export const BATCH_PAYLOAD_BYTES = 512 * 1024
export const MAX_MESSAGE_BYTES = MIB
/** What an assignment may have that comes from a requester to whom nothing was offered. Bytes: a manifest and some leases. */
export const STRANGE_ASSIGN_BYTES = 16 * 1024
/** Outputs that the receipts of one reveal may name together, fetched or not. Bytes; one output is always let through. */
export const REVEAL_OUTPUT_BYTES = 16 * MIB
export const MAX_MODULE_BYTES = 16 * MIB
export const MAX_INPUT_BYTES = 16 * MIB

/**
 * What one peer may send (NET-5). A working pair exchanges a batch about every 10 ms in each direction at most, so 200
 * a second with a burst of the same leaves room without letting a flood through. Offers are rare by nature.
 */
const BATCHES: ProtocolLimits = {
  maxRequestBytes: MAX_MESSAGE_BYTES,
  maxResponseBytes: MAX_MESSAGE_BYTES,
  ratePerSecond: 200,
  burst: 200,
  concurrency: 16,
}

export const PROTOCOL_LIMITS: Readonly<Record<keyof typeof PROTOCOLS, ProtocolLimits>> = {
  offer: { maxRequestBytes: 16 * 1024, maxResponseBytes: 1024, ratePerSecond: 5, burst: 50, concurrency: 8 },
  assign: BATCHES,
  heartbeat: { ...BATCHES, ratePerSecond: 5, burst: 20, concurrency: 2 },
  commit: BATCHES,
  reveal: BATCHES,
  settle: BATCHES,
}
