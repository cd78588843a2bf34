import { TASK_KINDS, type TaskKind } from '@askee/consent'
import { AskeeError, type CampaignId, digestOf, type NodeId, type Timestamp } from '@askee/core'
import { type Identity, signDocument, verifyDocument } from '@askee/keys'
import { z } from 'zod'
import type { EnginePolicy } from '../coordinator/engines.ts'
import { bytesField, digestField, fuelField, nodeField } from './fields.ts'

const DOMAIN = 'askee/campaign/1'
export const MAX_MANIFEST_BYTES = 8192
const HOUR = 3_600_000

/** Longest time from creation to deadline of each approved kind (CMP-1). Milliseconds. */
export const KIND_DEADLINES: Readonly<Record<TaskKind, number>> = {
  'ml-training': 24 * HOUR,
  'data-processing': 8 * HOUR,
  'scientific-compute': 48 * HOUR,
}

const MAX_TASKS = 100_000
/** 21 replicas a task: more cost more than they could protect. */
const MAX_F = 10
const MAX_PURPOSE_LENGTH = 2000

const common = {
  requester: nodeField,
  purpose: z.string().min(1).max(MAX_PURPOSE_LENGTH),
  kind: z.enum(TASK_KINDS),
  module: digestField,
  /** Digest of the block that lists the inputs' digests (32 bytes each, in order). */
  inputs: digestField,
  count: z.number().int().min(1).max(MAX_TASKS),
  resources: z.strictObject({
    fuel: fuelField.refine((fuel) => fuel > 0n, 'expected more than none'),
    memoryBytes: z.number().int().min(65_536).max(4_294_967_296),
    outputBytes: z.number().int().min(0).max(16_777_216),
    wallTime: z
      .number()
      .int()
      .min(1)
      .max(48 * HOUR),
  }),
  f: z.number().int().min(0).max(MAX_F),
  created: z.number().int().nonnegative(),
  deadline: z.number().int().nonnegative(),
  minReputation: z.number().min(0).max(1),
  nonce: bytesField(16),
} as const

/**
 * Version 2 says which engines must agree; version 1 has no such field and means `any`. A campaign that asks for nothing
 * new is published as version 1, so that nodes which know no other can work for it.
 */
const manifestSchema = z
  .discriminatedUnion('v', [
    z.strictObject({ v: z.literal(1), ...common }),
    z.strictObject({ v: z.literal(2), ...common, engines: z.enum(['any', 'diverse']) }),
  ])
  .refine((m) => m.deadline > m.created, { path: ['deadline'], message: 'expected after created' })
  .refine((m) => m.deadline - m.created <= KIND_DEADLINES[m.kind], {
    path: ['deadline'],
    message: 'expected within the longest time of this kind of work',
  })

export type Manifest = z.output<typeof manifestSchema>

/** Which engines must agree on each result of the campaign. */
export function enginesOf(manifest: Manifest): EnginePolicy {
  return manifest.v === 1 ? 'any' : manifest.engines
}

/** A manifest that its requester signed; `id` is the digest of the signed bytes. */
export interface SignedManifest {
  readonly id: CampaignId
  readonly manifest: Manifest
  readonly bytes: Uint8Array
}

/**
 * Signs a manifest.
 * @throws AskeeError `compute/spec` naming the field that is out of range
 */
export function signManifest(identity: Identity, manifest: Manifest): SignedManifest {
  const checked = manifestSchema.safeParse(manifest)
  if (!checked.success) {
    const issue = checked.error.issues[0]
    throw new AskeeError('compute/spec', `${issue?.path.join('.') ?? 'manifest'}: ${issue?.message ?? ''}`)
  }
  const bytes = signDocument(identity, DOMAIN, manifest)
  return { id: campaignIdOf(bytes), manifest, bytes }
}

/**
 * A manifest from outside: size, form, ranges, signature, and that the signer is the requester it names.
 * @throws AskeeError `codec/*`, `signature/*`
 */
export function verifyManifest(bytes: Uint8Array): SignedManifest {
  const document = verifyDocument(bytes, DOMAIN, manifestSchema, { maxBytes: MAX_MANIFEST_BYTES })
  assertSigner(document.value.requester, document.signer)
  return { id: campaignIdOf(bytes), manifest: document.value, bytes }
}

/** How far the clocks of two machines that work together may differ. Milliseconds. */
export const MAX_CLOCK_SKEW = 120_000

/** Whether the manifest says that it was made later than this clock's time allows: its deadline would be worth nothing. */
export function isFromFuture(manifest: Manifest, now: Timestamp): boolean {
  return manifest.created > now + MAX_CLOCK_SKEW
}

/** Whether the campaign is over by this clock. */
export function isPast(manifest: Manifest, now: Timestamp): boolean {
  return now >= manifest.deadline
}

function assertSigner(requester: NodeId, signer: NodeId): void {
  if (requester !== signer) {
    throw new AskeeError('signature/signer', `the manifest names ${requester} but ${signer} signed it`)
  }
}

function campaignIdOf(bytes: Uint8Array): CampaignId {
  return digestOf(bytes) as string as CampaignId
}
