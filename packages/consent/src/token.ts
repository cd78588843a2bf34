import { AskeeError, type NodeId, parse, type Timestamp } from '@askee/core'
import { publicKeyFromNodeId } from '@askee/keys'
import { z } from 'zod'

/** Kinds of work (CMP-1). */
export const TASK_KINDS = ['ml-training', 'data-processing', 'scientific-compute'] as const
export type TaskKind = (typeof TASK_KINDS)[number]

/** `typ` of the token's header: nothing signed for another use passes for a consent. */
export const TOKEN_TYPE = 'consent+jwt'
export const TOKEN_VERSION = 1
/** Longest accepted token. */
export const MAX_TOKEN_BYTES = 8192
/** Longest lifetime of one grant. */
export const MAX_LIFETIME_MS = 366 * 24 * 3600_000

/** What is allowed and how much of it. */
export interface ConsentPermissions {
  readonly resources: {
    /** Percent of all processors, 1 to 100. */
    readonly cpuPercentMax: number
    readonly ramMbMax: number
    readonly storageGbMax: number
    readonly bandwidthMbpsMax: number
  }
  readonly tasks: {
    readonly kinds: readonly TaskKind[]
    /** The requester's least reputation, 0 to 1. */
    readonly minReputation: number
    readonly maxDurationHours: number
  }
  readonly monitoring: {
    readonly userActivityYield: boolean
    readonly resourceMonitoring: boolean
    readonly auditLogging: boolean
  }
}

export interface ConsentClaims {
  /** 128 random bits in hexadecimal; cited by every assignment and receipt. */
  readonly id: string
  /** The volunteer's key. */
  readonly issuer: NodeId
  /** The node that will do the work. */
  readonly subject: NodeId
  /** The requester. */
  readonly audience: NodeId
  readonly issuedAt: Timestamp
  readonly notBefore: Timestamp
  readonly expires: Timestamp
  readonly permissions: ConsentPermissions
  readonly purpose: string
  /** SHA-256 of the text that the person was shown, hexadecimal. */
  readonly textDigest: string
}

export type ConsentErrorCode =
  | 'consent/malformed'
  | 'consent/signature'
  | 'consent/type'
  | 'consent/version'
  | 'consent/issuer'
  | 'consent/subject'
  | 'consent/audience'
  | 'consent/expired'
  | 'consent/not-yet-valid'
  | 'consent/kind'
  | 'consent/limits'
  | 'consent/unknown'
  | 'consent/text'

const nodeId = z.string().refine(isNodeId, 'expected the peer id of an Ed25519 key')
const seconds = z.number().int().min(0).max(1e11)

/** Claims as they stand in the token. Names follow RFC 7519 where it has one; times are seconds. */
const payloadSchema = z.strictObject({
  ver: z.number().int(),
  jti: z.string().regex(/^[0-9a-f]{32}$/),
  iss: nodeId,
  sub: nodeId,
  aud: nodeId,
  iat: seconds,
  nbf: seconds,
  exp: seconds,
  cmd: z.literal('compute'),
  resources: z.strictObject({
    cpu_percent_max: z.number().min(1).max(100),
    ram_mb_max: z.number().int().min(1).max(1_048_576),
    storage_gb_max: z.number().min(0).max(1_048_576),
    bandwidth_mbps_max: z.number().min(0).max(1_000_000),
  }),
  tasks: z.strictObject({
    kinds: z.array(z.enum(TASK_KINDS)).min(1).max(TASK_KINDS.length),
    min_reputation: z.number().min(0).max(1),
    max_duration_hours: z.number().positive().max(48),
  }),
  monitoring: z.strictObject({
    user_activity_yield: z.boolean(),
    resource_monitoring: z.boolean(),
    audit_logging: z.boolean(),
  }),
  purpose: z.string().min(1).max(2000),
  policy_hash: z.string().regex(/^[0-9a-f]{64}$/),
})

export type ConsentPayload = z.output<typeof payloadSchema>

function isNodeId(text: string): boolean {
  try {
    publicKeyFromNodeId(text)
    return true
  } catch {
    return false
  }
}

/** The token's payload for these claims. */
export function toPayload(claims: ConsentClaims): ConsentPayload {
  const { resources, tasks, monitoring } = claims.permissions
  return {
    ver: TOKEN_VERSION,
    jti: claims.id,
    iss: claims.issuer,
    sub: claims.subject,
    aud: claims.audience,
    iat: Math.floor(claims.issuedAt / 1000),
    nbf: Math.floor(claims.notBefore / 1000),
    exp: Math.floor(claims.expires / 1000),
    cmd: 'compute',
    resources: {
      cpu_percent_max: resources.cpuPercentMax,
      ram_mb_max: resources.ramMbMax,
      storage_gb_max: resources.storageGbMax,
      bandwidth_mbps_max: resources.bandwidthMbpsMax,
    },
    tasks: {
      kinds: [...tasks.kinds],
      min_reputation: tasks.minReputation,
      max_duration_hours: tasks.maxDurationHours,
    },
    monitoring: {
      user_activity_yield: monitoring.userActivityYield,
      resource_monitoring: monitoring.resourceMonitoring,
      audit_logging: monitoring.auditLogging,
    },
    purpose: claims.purpose,
    policy_hash: claims.textDigest,
  }
}

/**
 * Claims of a payload that came from outside. The version is looked at first, so that a later format is named as
 * such and not as damage.
 * @throws AskeeError `consent/version` | `consent/malformed`
 */
export function fromPayload(value: unknown): ConsentClaims {
  const version = (value as { ver?: unknown } | null)?.ver
  if (typeof version === 'number' && version !== TOKEN_VERSION) {
    throw new AskeeError('consent/version', `expected version ${TOKEN_VERSION}, received ${version}`)
  }
  let payload: ConsentPayload
  try {
    payload = parse(value, payloadSchema)
  } catch (cause) {
    throw new AskeeError('consent/malformed', `not a consent: ${(cause as Error).message}`, {}, { cause })
  }
  return {
    id: payload.jti,
    issuer: payload.iss as NodeId,
    subject: payload.sub as NodeId,
    audience: payload.aud as NodeId,
    issuedAt: payload.iat * 1000,
    notBefore: payload.nbf * 1000,
    expires: payload.exp * 1000,
    permissions: {
      resources: {
        cpuPercentMax: payload.resources.cpu_percent_max,
        ramMbMax: payload.resources.ram_mb_max,
        storageGbMax: payload.resources.storage_gb_max,
        bandwidthMbpsMax: payload.resources.bandwidth_mbps_max,
      },
      tasks: {
        kinds: payload.tasks.kinds,
        minReputation: payload.tasks.min_reputation,
        maxDurationHours: payload.tasks.max_duration_hours,
      },
      monitoring: {
        userActivityYield: payload.monitoring.user_activity_yield,
        resourceMonitoring: payload.monitoring.resource_monitoring,
        auditLogging: payload.monitoring.audit_logging,
      },
    },
    purpose: payload.purpose,
    textDigest: payload.policy_hash,
  }
}
