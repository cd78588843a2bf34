import type { NodeId, Timestamp } from '@askee/core'

/** Kinds of work (CMP-1). */
export const TASK_KINDS = ['ml-training', 'data-processing', 'scientific-compute'] as const
export type TaskKind = (typeof TASK_KINDS)[number]

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
