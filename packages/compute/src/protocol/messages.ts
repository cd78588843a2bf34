import { z } from 'zod'
import { MAX_RECEIPTS, MAX_RECEIPTS_BYTES } from './documents.ts'
import { blobField, campaignField, codeField, consentField, digestField, leaseField } from './fields.ts'
import { MAX_MANIFEST_BYTES } from './manifest.ts'
import { INLINE_INPUT_BYTES, INLINE_OUTPUT_BYTES, MAX_BATCH } from './names.ts'

/** Room for the envelope of a signed document. */
const ENVELOPE = 256
/** Longest consent token. Characters. */
const MAX_TOKEN_LENGTH = 8192

const batch = <S extends z.ZodType>(item: S) => z.array(item).max(MAX_BATCH)
const leases = batch(leaseField)
const refusals = batch(z.strictObject({ lease: leaseField, code: codeField }))

export const offerSchema = z.strictObject({
  v: z.literal(1),
  campaign: campaignField,
  token: z.string().max(MAX_TOKEN_LENGTH),
  capabilities: z.strictObject({
    engine: z.enum(['v8', 'wasmtime']),
    tier: z.enum(['contained', 'process']),
    /** Tasks run at once. */
    slots: z.number().int().min(1).max(1024),
    /** Leases taken before they run. */
    queue: z.number().int().min(1).max(4096),
    memoryBytes: z.number().int().positive(),
  }),
})

export const assignSchema = z.strictObject({
  v: z.literal(1),
  manifest: blobField(MAX_MANIFEST_BYTES + ENVELOPE),
  consent: consentField,
  leases: batch(
    z.strictObject({
      lease: leaseField,
      task: z.number().int().nonnegative(),
      input: digestField,
      /** The input itself when it is small, else null: fetch it as a block. */
      bytes: blobField(INLINE_INPUT_BYTES).nullable(),
      /** Time left, in milliseconds: clocks of two machines differ, spans hardly. */
      expiresIn: z.number().int().positive(),
    }),
  ),
})
export const assignAnswerSchema = z.strictObject({ accepted: leases, refused: refusals })

export const heartbeatSchema = z.strictObject({
  v: z.literal(1),
  campaigns: z.array(z.strictObject({ campaign: campaignField, leases })).max(64),
})
/** Leases that the worker should forget. */
export const dropSchema = z.strictObject({ drop: z.array(leaseField).max(64 * MAX_BATCH) })

export const commitSchema = z.strictObject({
  v: z.literal(1),
  campaign: campaignField,
  /** A signed Commitment, or null when there are only failures. */
  document: blobField(128 * 1024 + ENVELOPE).nullable(),
  failed: refusals,
})

export const revealSchema = z.strictObject({ v: z.literal(1), campaign: campaignField, leases })
export const revealAnswerSchema = z.strictObject({
  /** Signed Receipts about the leases in `reveals`, or null when there are none. */
  document: blobField(MAX_RECEIPTS_BYTES + ENVELOPE).nullable(),
  reveals: z
    .array(
      z.strictObject({
        lease: leaseField,
        /** The output itself when it is small, else null: fetch it as a block. */
        output: blobField(INLINE_OUTPUT_BYTES).nullable(),
      }),
    )
    .max(MAX_RECEIPTS),
  /** Not held here. */
  unknown: leases,
  /** Not to be shown any more: the consent has ended. */
  refused: refusals,
})

/** A signed Settlement. */
export const settleSchema = z.strictObject({ v: z.literal(1), document: blobField(128 * 1024 + ENVELOPE) })

export type Offer = z.output<typeof offerSchema>
export type Assign = z.output<typeof assignSchema>
export type Commit = z.output<typeof commitSchema>
export type Heartbeat = z.output<typeof heartbeatSchema>
export type AssignAnswer = z.output<typeof assignAnswerSchema>
export type RevealAnswer = z.output<typeof revealAnswerSchema>
