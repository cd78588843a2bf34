import type { ProtocolLimits, ProtocolName } from '@askee/core'
import { z } from 'zod'
import { MAX_BEGINNING_BYTES } from '../own/beginning.ts'
import { MAX_CLAIM_BYTES, MAX_WITNESSED_CHARACTERS } from './claim.ts'
import { MAX_EVIDENCE_BYTES } from './evidence.ts'

/** A node asks another to cosign a checkpoint of its log. */
export const WITNESS_PROTOCOL: ProtocolName = '/askee/audit/witness/2'
/** A node asks another what that one keeps of its logs; nothing is changed by it. */
export const KEPT_PROTOCOL: ProtocolName = '/askee/audit/kept/1'
/** A node tells another of a log with two histories, with the proof. */
export const EVIDENCE_PROTOCOL: ProtocolName = '/askee/audit/evidence/1'

/** Room for what signs and frames a document. */
const ENVELOPE_BYTES = 512

/** Largest request and answer: a claim with its note and proof, and a beginning. */
export const MAX_WITNESS_BYTES = 32 * 1024
/** Notes of one node's logs that a witness keeps; the rest of the answer is their frame. */
export const MAX_LOGS_OF_NODE = 4

/** A node asks after many acts, or every ten seconds, twice when the witness knows another state. */
export const WITNESS_LIMITS: ProtocolLimits = {
  maxRequestBytes: MAX_WITNESS_BYTES,
  maxResponseBytes: MAX_WITNESS_BYTES,
  ratePerSecond: 0.5,
  burst: 12,
  concurrency: 2,
}

/** Asked at each new connection, and by whoever verifies. */
export const KEPT_LIMITS: ProtocolLimits = {
  maxRequestBytes: 256,
  maxResponseBytes: MAX_WITNESS_BYTES,
  ratePerSecond: 0.5,
  burst: 12,
  concurrency: 2,
}

/** Each costs four signatures at most to verify. */
export const EVIDENCE_LIMITS: ProtocolLimits = {
  maxRequestBytes: MAX_EVIDENCE_BYTES + ENVELOPE_BYTES,
  maxResponseBytes: 256,
  ratePerSecond: 0.2,
  burst: 16,
  concurrency: 1,
}

const size = z.int().min(0)

export const witnessRequestSchema = z.strictObject({
  /** A signed claim of growth: `openClaim`. */
  claim: z.instanceof(Uint8Array).refine((bytes) => bytes.byteLength <= MAX_CLAIM_BYTES + ENVELOPE_BYTES),
  /** The owner's statement that the log begins, for who does not know it yet: `openBeginning`. */
  beginning: z
    .instanceof(Uint8Array)
    .refine((bytes) => bytes.byteLength <= MAX_BEGINNING_BYTES + ENVELOPE_BYTES)
    .nullable(),
})

export const witnessAnswerSchema = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('cosigned'), line: z.string().max(1000) }),
  /** Another size, or another log of this node, is known here: ask again from it. */
  z.strictObject({ state: z.literal('known'), size, note: z.string().max(MAX_WITNESSED_CHARACTERS) }),
  /** Nothing is known here of this log: ask again from 0, with its beginning. */
  z.strictObject({ state: z.literal('unknown') }),
])
export type WitnessAnswer = z.output<typeof witnessAnswerSchema>

export const keptRequestSchema = z.strictObject({ v: z.literal(1) })
export const keptAnswerSchema = z.strictObject({
  /** The last notes cosigned of each log of the asking node, the newest log first; no larger than those that are cosigned. */
  notes: z.array(z.string().max(MAX_WITNESSED_CHARACTERS)).max(MAX_LOGS_OF_NODE),
})

export const evidenceAnswerSchema = z.strictObject({ state: z.enum(['new', 'known', 'full']) })
