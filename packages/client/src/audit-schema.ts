import { z } from 'zod'

/** Messages of the control API about the audit log. */

const hex = z.string().regex(/^([0-9a-f]{2})*$/)
const position = z.int().min(0)
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
/** As it stands in an address. */
const positionText = z
  .string()
  .regex(/^\d{1,15}$/, 'expected a number')
  .transform(Number)

/** Entries in one page at most. */
export const MAX_AUDIT_PAGE = 1_000

export const auditPageSchema = z.strictObject({
  about: z.string().min(1).max(255).optional(),
  limit: positionText.pipe(z.number().min(1).max(MAX_AUDIT_PAGE)).default(100),
  /** Only entries before this one. */
  before: positionText.optional(),
})

export const auditEntrySchema = z.object({
  index: position,
  at: z.number(),
  action: z.string(),
  outcome: z.enum(['done', 'refused', 'failed']),
  /**
   * Whether its content can be read; else subject and content are null. That one is not here any more (`purged`) is not proof that
   * a rule took it: the list of removals says that, and verification finds what is not in it.
   */
  state: z.enum(['readable', 'erased', 'purged', 'damaged']),
  subject: z.string().nullable(),
  content: z.record(z.string(), scalar).nullable(),
})
export type AuditEntryView = z.output<typeof auditEntrySchema>

export const auditEntriesSchema = z.object({
  /** Entries in the log. */
  size: position,
  /** The newest that were asked for, oldest first. */
  entries: z.array(auditEntrySchema),
  /** Ask for those before this one; null when there are none. */
  before: position.nullable(),
})
export type AuditEntriesView = z.output<typeof auditEntriesSchema>

/** Why the state of this node cannot be trusted as it is; open until the owner accepts it. */
const alarm = z.object({
  code: z.string(),
  text: z.string(),
  /** Who showed it; null when it stands in the own checkpoints. */
  witness: z.string().nullable(),
  at: z.number(),
})
/** A log of another node that has two histories; the proof is kept. */
const contradicted = z.object({
  node: z.string(),
  log: z.string(),
  kind: z.enum(['fork', 'false-growth']),
  text: z.string(),
  /** SHA-256 of the proof. */
  digest: hex,
  /** Who told it; the own id for what was found here. */
  source: z.string(),
  at: z.number(),
})
/** The newest checkpoint that another node cosigned; null when nobody has seen this log. */
const cosigned = z.object({ size: position, at: z.number(), by: z.array(z.string()) }).nullable()

/** In short, for `status`. */
export const auditStandingSchema = z.object({
  /** `held`: an alarm is open, nothing new is granted or taken on. `unwitnessed`: nobody else has seen this log yet. */
  state: z.enum(['good', 'unwitnessed', 'held']),
  entries: position,
  /** Since when this log is written, and why it began. */
  began: z.object({ log: z.string(), at: z.number(), reason: z.string() }),
  cosigned,
  alarms: z.array(alarm),
  contradicted: z.array(contradicted),
  /** Nodes whose logs are watched here. */
  watched: position,
})
export type AuditStandingView = z.output<typeof auditStandingSchema>

export const auditAcceptSchema = z.strictObject({
  /** Why: one line, which peers read. */
  reason: z.string().min(1).max(200),
})
export type AuditAcceptRequest = z.input<typeof auditAcceptSchema>

export const auditAcceptedSchema = z.object({
  audit: auditStandingSchema,
  /** Consents that were live in what was accepted: one of them may have been revoked since. */
  suspended: z.array(z.string()),
})
export type AuditAcceptedView = z.output<typeof auditAcceptedSchema>

export const auditVerificationSchema = z.object({
  /** `unwitnessed` is no OK: nothing was found, and nobody but this machine says so. */
  verdict: z.enum(['whole', 'unwitnessed', 'changed']),
  entries: position,
  checkpoints: position,
  /** `lost`: changed, damaged, or gone although no act of the log says so. */
  contents: z.object({ readable: position, erased: position, purged: position, lost: position }),
  /** The first hundred. */
  findings: z.array(z.object({ code: z.string(), from: z.number(), to: z.number(), text: z.string() })),
  /** How many there are. */
  found: position,
  /** The newest checkpoint; null before the first. */
  latest: z.object({ size: position, cosignedBy: z.array(z.string()) }).nullable(),
  /** Connected nodes that were asked what they keep of this log, and of these how many answered. */
  asked: position,
  answered: position,
  /** Those that keep something of it, and showed it. */
  witnesses: z.array(z.string()),
  cosigned,
  alarms: z.array(alarm),
  contradicted: z.array(contradicted),
})
export type AuditVerificationView = z.output<typeof auditVerificationSchema>

export const auditProofSchema = z.object({
  index: position,
  size: position,
  /** The entry's bytes: their leaf hash (RFC 6962) is what is proven. */
  entry: hex,
  hashes: z.array(hex),
  /** The signed checkpoint of `size` entries, with its cosignatures. */
  note: z.string(),
})
export type AuditProofView = z.output<typeof auditProofSchema>

export const auditExportSchema = z.strictObject({
  /** Why: it stands in the file and in the log. */
  reason: z.string().min(1).max(500),
  from: position.optional(),
  /** One after the last entry. */
  to: position.optional(),
  content: z.enum(['included', 'withheld']).default('included'),
})
export type AuditExportRequest = z.input<typeof auditExportSchema>

const region = z.enum(['EU', 'US', 'other'])
const profile = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'expected a profile like gdpr')

export const complianceRequestSchema = z.strictObject({
  /** All that there are, when none is named. */
  profiles: z.array(profile).max(16).default([]),
  /** Of acts that do not say one themselves. */
  region: region.default('EU'),
})
export type ComplianceRequest = z.input<typeof complianceRequestSchema>

export const complianceSchema = z.object({
  profiles: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      findings: z.array(
        z.object({
          code: z.string(),
          rule: z.string(),
          count: position,
          first: position.nullable(),
          last: position.nullable(),
          text: z.string(),
        }),
      ),
    }),
  ),
  /** Subjects under legal hold. */
  holds: position,
})
export type ComplianceView = z.output<typeof complianceSchema>

export const purgeRequestSchema = z.strictObject({ profile, region: region.default('EU') })
export type PurgeRequest = z.input<typeof purgeRequestSchema>

/** The entry that says what was done. */
const receipt = z.object({ index: position, leaf: hex })

export const purgedSchema = z.array(
  z.object({
    rule: z.string(),
    count: position,
    first: position,
    last: position,
    /** All of them, `1-4,9`. */
    positions: z.string(),
    receipt,
  }),
)
export type PurgedView = z.output<typeof purgedSchema>

/** Acts that say which contents nobody can read any more, oldest first. */
export const removalsSchema = z.array(
  z.object({
    /** The act. */
    index: position,
    at: z.number(),
    kind: z.enum(['purged', 'erased']),
    /** The profile and its rule, or the entry that asked for it. */
    because: z.string(),
    count: position,
    /** Entries whose contents went, `1-4,9`. */
    positions: z.string(),
    /** Of these, contents that can still be read: the removal was interrupted. */
    left: position,
  }),
)
export type RemovalsView = z.output<typeof removalsSchema>

/** Legal hold, erasure. */
export const subjectRequestSchema = z.strictObject({
  subject: z.string().min(1).max(255),
  reason: z.string().min(1).max(200),
})
export type SubjectRequest = z.input<typeof subjectRequestSchema>

/** A hold ends by its own number; others on the same subject go on. */
export const releaseRequestSchema = subjectRequestSchema.extend({ hold: z.int().min(1) })
export type ReleaseRequest = z.input<typeof releaseRequestSchema>

export const heldSchema = z.object({
  /** Its number, by which it is released. */
  hold: z.int().min(1),
  receipt,
})
export type HeldView = z.output<typeof heldSchema>
export const receiptSchema = z.object({ receipt })
export type ReceiptView = z.output<typeof receiptSchema>
export const erasedSchema = z.object({ contents: position, receipt })
export type ErasedView = z.output<typeof erasedSchema>
