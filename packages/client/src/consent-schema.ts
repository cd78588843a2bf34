import { z } from 'zod'

/** Messages of the control API about consents. */

const digest = z.string().regex(/^[0-9a-f]{64}$/)
const kinds = z.enum(['ml-training', 'data-processing', 'scientific-compute'])
const categories = z.enum(['task', 'machine', 'personal'])
const reason = z.string().min(1).max(200)

/** What a volunteer would allow a requester, in its own words; the agent makes the text of it. */
export const termsSchema = z.strictObject({
  /** Node id of the requester. */
  requester: z.string().max(64),
  purpose: z.string().min(1).max(500),
  kinds: z.array(kinds).min(1).max(3),
  data: z.array(categories).max(3).default(['task', 'machine']),
  lifetimeMs: z.number().int().positive(),
  /** Times that it may be renewed. */
  maxRenewals: z.number().int().min(0).max(31).default(0),
  cpuPercentMax: z.number().min(1).max(100),
  ramMbMax: z.number().int().min(1),
  storageGbMax: z.number().min(0),
  bandwidthMbpsMax: z.number().min(0),
  maxDurationHours: z.number().positive().max(48),
  minReputation: z.number().min(0).max(1),
})
export type TermsRequest = z.input<typeof termsSchema>
export type Terms = z.output<typeof termsSchema>

/** Terms and the SHA-256 of the very text that the person was shown for them. */
export const grantSchema = termsSchema.extend({ textDigest: digest })
export type GrantRequest = z.input<typeof grantSchema>

/** What a requester asks of volunteers: the agent signs it with its node's key. */
export const manifestRequestSchema = termsSchema.omit({ requester: true }).extend({
  name: z.string().min(1).max(100).optional(),
  domain: z.string().max(253).optional(),
  /** How long it stands. */
  validForMs: z.number().int().positive(),
})
export type ManifestRequest = z.input<typeof manifestRequestSchema>

/** What is narrowed or declined; what is not named stays as asked. */
export const choicesSchema = z.strictObject({
  cpuPercentMax: z.number().min(1).max(100).optional(),
  ramMbMax: z.number().int().min(1).optional(),
  storageGbMax: z.number().min(0).optional(),
  bandwidthMbpsMax: z.number().min(0).optional(),
  kinds: z.array(kinds).max(3).optional(),
  minReputation: z.number().min(0).max(1).optional(),
  maxDurationHours: z.number().positive().max(48).optional(),
  resourceMonitoring: z.boolean().optional(),
  purposes: z.array(z.string().max(500)).max(4).optional(),
  data: z.array(categories).max(3).optional(),
  lifetimeMs: z.number().int().positive().optional(),
  maxRenewals: z.number().int().min(0).max(31).optional(),
})
export type Choices = z.output<typeof choicesSchema>

export const invitationSchema = z.strictObject({ manifest: z.string().max(6144) })
export const agreementSchema = z.strictObject({ textDigest: digest })
export const reasonSchema = z.strictObject({ reason })
/** A token, or the id of an own consent. */
export const verifySchema = z.union([
  z.strictObject({ token: z.string().max(8192) }),
  z.strictObject({ consent: z.string().max(64) }),
])
export type VerifyRequest = z.output<typeof verifySchema>

export const differenceSchema = z.object({
  field: z.string(),
  before: z.string(),
  after: z.string(),
  effect: z.enum(['wider', 'narrower']),
})

export const reviewSchema = z.object({
  id: z.string(),
  text: z.string(),
  textDigest: digest,
  /** Against the live consent for the same requester; null when there is none. */
  differences: z.array(differenceSchema).nullable(),
})
export type ReviewView = z.output<typeof reviewSchema>

export const consentSchema = z.object({
  id: z.string(),
  phase: z.enum([
    'unknown',
    'invited',
    'reviewed',
    'granted',
    'renewed',
    'suspended',
    'revoked',
    'expired',
    'refused',
  ]),
  live: z.boolean(),
  requester: z.string(),
  /** Who signed the terms: the requester, or this machine's owner. */
  author: z.string(),
  name: z.string().nullable(),
  domain: z.string().nullable(),
  purpose: z.string(),
  kinds: z.array(kinds),
  data: z.array(categories),
  /** When the newest token ends; before the grant, when the invitation does. */
  expires: z.number(),
  renewalsLeft: z.number().int(),
  limits: z.object({
    cpuPercentMax: z.number(),
    ramMbMax: z.number(),
    storageGbMax: z.number(),
    bandwidthMbpsMax: z.number(),
    maxDurationHours: z.number(),
    minReputation: z.number(),
  }),
  monitoring: z.object({
    userActivityYield: z.boolean(),
    resourceMonitoring: z.boolean(),
    auditLogging: z.boolean(),
  }),
  /** Ids of its tokens, newest first: what receipts and assignments cite. */
  tokens: z.array(z.string()),
  /** SHA-256 of the text that was agreed to; null before the grant. */
  textDigest: digest.nullable(),
  changed: z.number(),
})
export type ConsentView = z.output<typeof consentSchema>

/** One consent, with what its tasks have on disk now; null where nothing is counted for it. */
export const consentInUseSchema = consentSchema.extend({
  storage: z.object({ usedBytes: z.number(), allowedBytes: z.number() }).nullable(),
})
export type ConsentInUseView = z.output<typeof consentInUseSchema>

export const historyEntrySchema = z.object({
  sequence: z.number().int(),
  at: z.number(),
  act: z.string(),
  consent: z.string(),
  outcome: z.enum(['done', 'refused', 'failed']),
  content: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  /** Where it stands in the audit log. */
  receipt: z.object({ index: z.number().int(), leaf: z.string() }).nullable(),
})
export type HistoryEntryView = z.output<typeof historyEntrySchema>

/** What a token says, and whether it is good as far as this node knows. */
export const verdictSchema = z.object({
  valid: z.boolean(),
  /** Why not; null when it is. */
  code: z.string().nullable(),
  detail: z.string().nullable(),
  id: z.string().nullable(),
  grantor: z.string().nullable(),
  subject: z.string().nullable(),
  audience: z.string().nullable(),
  expires: z.number().nullable(),
})
export type VerdictView = z.output<typeof verdictSchema>

/** A consent that was just revoked, and how long its work took to die here. */
export const revokedSchema = z.object({
  consents: z.array(consentSchema),
  /** Tasks that were running or waiting under it. */
  stoppedTasks: z.number().int(),
  /** Milliseconds from the command to the end of the last process; null when nothing ran. */
  killMs: z.number().nullable(),
  /** Milliseconds from the command to the erasure of the last block. */
  eraseMs: z.number(),
  erasedBlocks: z.number().int(),
  /** Blocks that stay because other consents or own campaigns need them. */
  sharedBlocks: z.number().int(),
})
export type RevokedView = z.output<typeof revokedSchema>
