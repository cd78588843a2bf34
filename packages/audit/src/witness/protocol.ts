import type { ProtocolLimits, ProtocolName } from '@askee/core'
import { z } from 'zod'
import { MAX_NOTE_CHARACTERS } from '../checkpoint.ts'
import { MAX_PROOF_HASHES } from '../merkle.ts'

/** A node asks another to cosign a checkpoint of its log. */
export const WITNESS_PROTOCOL: ProtocolName = '/askee/audit/witness/1'

/** Largest request and answer: a note and a proof. */
export const MAX_WITNESS_BYTES = 32 * 1024

/**
 * Largest note that a witness looks at and keeps: a checkpoint with some twenty signatures. Each is verified, and each log has
 * its place on the witness's disk, so a stranger must not choose how large that is.
 */
export const MAX_WITNESSED_CHARACTERS = 4_096

/** A node asks after many acts, or seconds, never in a hurry. */
export const WITNESS_LIMITS: ProtocolLimits = {
  maxRequestBytes: MAX_WITNESS_BYTES,
  maxResponseBytes: MAX_WITNESS_BYTES,
  ratePerSecond: 1,
  burst: 10,
  concurrency: 2,
}

const size = z.int().min(0)
const hash = z.instanceof(Uint8Array).refine((bytes) => bytes.byteLength === 32, 'expected 32 bytes')

export const witnessRequestSchema = z.strictObject({
  note: z.string().max(MAX_WITNESSED_CHARACTERS),
  /** The size that the witness is thought to know; 0 when none. */
  from: size,
  /** That the log of `from` entries is the beginning of this one. */
  proof: z.array(hash).max(MAX_PROOF_HASHES),
})

export const witnessAnswerSchema = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('cosigned'), line: z.string().max(1000) }),
  /** Another size is known here: ask again from it. */
  z.strictObject({ state: z.literal('known'), size, note: z.string().max(MAX_NOTE_CHARACTERS) }),
])
export type WitnessAnswer = z.output<typeof witnessAnswerSchema>
