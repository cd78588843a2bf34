import { z } from 'zod'
import { auditStandingSchema } from './audit-schema.ts'
import { deviceKeySchema } from './keys-schema.ts'

/**
 * Messages of the control API (HTTP over a unix socket), the one description that the agent validates with and every client
 * is typed by. 64-bit numbers and bytes travel as text: decimal and base64.
 */

const digest = z.string().regex(/^[0-9a-f]{64}$/)
const decimal = z.string().regex(/^\d{1,19}$/)
const kinds = z.enum(['ml-training', 'data-processing', 'scientific-compute'])

const enginePolicy = z.enum(['any', 'diverse'])

export const problemSchema = z.object({
  /** RFC 9457. `code` is ours and stable. */
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
})

export const resourcesSchema = z.strictObject({
  fuel: decimal,
  memoryBytes: z.number().int().positive(),
  outputBytes: z.number().int().min(0),
  wallTimeMs: z.number().int().positive(),
})

export const submitSchema = z.strictObject({
  /** Literally one of those that the volunteers' consents name, which have at most so many characters. */
  purpose: z.string().min(1).max(500),
  kind: kinds,
  /** Digests of blocks sent before. */
  module: digest,
  inputs: z.array(digest).min(1).max(100_000),
  resources: resourcesSchema,
  f: z.number().int().min(0).max(10),
  /** `diverse`: every result must come from nodes with at least two engines. */
  engines: enginePolicy.default('any'),
  deadlineMs: z.number().int().positive(),
  minReputation: z.number().min(0).max(1),
})
export type SubmitRequest = z.input<typeof submitSchema>

export const taskSchema = z.object({
  id: z.string(),
  index: z.number().int(),
  state: z.enum(['pending', 'running', 'accepted', 'undecidable']),
  result: z.object({ output: z.string(), trap: z.string().nullable(), fuel: decimal }).nullable(),
  replicas: z.number().int(),
  /** Votes for the accepted result by the engine that their nodes say they have. */
  engines: z.partialRecord(z.enum(['v8', 'wasmtime']), z.number().int()).default({}),
  reason: z.string().nullable(),
})

const campaignState = z.enum(['running', 'finished', 'expired', 'cancelled'])

/** Who offered themselves for a campaign: how many could be asked, by engine, and how many cannot, and why. */
const volunteers = z.object({
  ready: z.number().int(),
  engines: z.partialRecord(z.enum(['v8', 'wasmtime']), z.number().int()),
  gone: z.number().int(),
  accused: z.number().int(),
  /** Whose consent ends before a task could. */
  ending: z.number().int(),
  /** Whose consent allows too little disk. */
  cramped: z.number().int().default(0),
  disreputable: z.number().int(),
})
export type VolunteersView = z.output<typeof volunteers>

export const campaignSchema = z.object({
  id: z.string(),
  purpose: z.string(),
  kind: kinds,
  state: campaignState,
  /** Why its requester cancelled it, in its words; null when it did not. */
  cancelled: z.string().nullable(),
  volunteers,
  f: z.number().int(),
  engines: enginePolicy.default('any'),
  submitted: z.number(),
  tasks: z.array(taskSchema),
  accused: z.array(
    z.object({
      node: z.string(),
      task: z.string(),
      lease: z.string(),
      offence: z.enum(['wrong-result', 'broken-commitment']),
    }),
  ),
  credit: z.record(z.string(), decimal),
})
export type CampaignView = z.output<typeof campaignSchema>

/** A campaign without its tasks. */
const campaignSummarySchema = z.object({
  id: z.string(),
  purpose: z.string(),
  state: campaignState,
  cancelled: z.string().nullable(),
  submitted: z.number(),
  volunteers,
  tasks: z.number().int(),
  accepted: z.number().int(),
  undecided: z.number().int(),
})
export type CampaignSummaryView = z.output<typeof campaignSummarySchema>
export const campaignListSchema = z.array(campaignSummarySchema)

/** Why a campaign is cancelled; whoever asks for its results reads it. */
export const cancelSchema = z.strictObject({ reason: z.string().min(1).max(200) })

export const statusSchema = z.object({
  version: z.string(),
  node: z.string(),
  owner: z.string(),
  /** What locks everything else on disk. */
  deviceKey: deviceKeySchema,
  addresses: z.array(z.string()),
  peers: z.array(z.string()),
  executor: z.object({
    name: z.string(),
    engine: z.string(),
    engineVersion: z.string(),
    tier: z.string(),
    layers: z.array(z.string()),
    /** Every layer the executor knows of, the missing ones too. */
    report: z
      .array(z.object({ name: z.string(), state: z.enum(['enforced', 'missing']), detail: z.string() }))
      .default([]),
    /** Why no stronger executor was taken. */
    reason: z.string().optional(),
  }),
  worker: z.object({
    slots: z.number().int(),
    leases: z.array(
      z.object({
        lease: z.string(),
        campaign: z.string(),
        task: z.string(),
        requester: z.string(),
        /** The token that it runs under. */
        consent: z.string(),
        state: z.string(),
      }),
    ),
    completed: z.number().int(),
    failed: z.number().int(),
    refused: z.number().int(),
    credit: z.record(z.string(), decimal),
  }),
  storage: z.object({ bytes: z.number(), maxBytes: z.number() }),
  /** What this machine's owner allows. */
  consents: z.object({
    /** Under which work may be done now, the newest first. */
    live: z.array(
      z.object({
        id: z.string(),
        requester: z.string(),
        purpose: z.string(),
        expires: z.number(),
        /** Tasks under it that run at this moment. */
        running: z.number().int(),
      }),
    ),
    suspended: z.number().int(),
    /** Invitations that nobody answered. */
    open: z.number().int(),
    /** Revoked, expired or refused. */
    over: z.number().int(),
  }),
  /** What this node asks of others. */
  campaigns: z.object({ running: campaignListSchema, over: z.number().int() }),
  /** What others have seen of this node's log, and what speaks against it. */
  audit: auditStandingSchema,
})
export type StatusView = z.output<typeof statusSchema>

/** One line of the event stream. What is of no campaign (`audit-alarm`, `audit-evidence`) has an empty one. */
export const eventSchema = z.looseObject({ type: z.string(), campaign: z.string().default('') })
export type EventView = z.output<typeof eventSchema>
