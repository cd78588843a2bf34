import type { Milliseconds } from '@askee/core'
import { publicKeyFromNodeId } from '@askee/keys'
import { z } from 'zod'

/** Kinds of work (CMP-1). */
export const TASK_KINDS = ['ml-training', 'data-processing', 'scientific-compute'] as const
export type TaskKind = (typeof TASK_KINDS)[number]

/**
 * What the work is about and what leaves the machine.
 * - `task`: programs, inputs and results that are about nobody.
 * - `machine`: what the node says of itself: engine, slots, memory.
 * - `personal`: data about persons, behaviour included. A consent that allows it must be known to be unrevoked.
 */
export const DATA_CATEGORIES = ['task', 'machine', 'personal'] as const
export type DataCategory = (typeof DATA_CATEGORIES)[number]

/** Longest lifetime of one grant. */
export const MAX_LIFETIME_MS = 366 * 24 * 3600_000
/** Renewals of one grant, at most: a certificate names every token of the line. */
export const MAX_RENEWALS = 31

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
    /** Work gives way to the person. A protection: it can be asked for, never declined. */
    readonly userActivityYield: boolean
    /** The machine's load may be looked at. */
    readonly resourceMonitoring: boolean
    /** What is done is written down. A protection, as above. */
    readonly auditLogging: boolean
  }
}

/** All that a person agrees to, beside who asks. */
export interface ConsentTerms {
  readonly permissions: ConsentPermissions
  /** What for, one sentence each; each can be declined by itself. */
  readonly purposes: readonly string[]
  readonly data: readonly DataCategory[]
  /** From the grant, and again from each renewal. */
  readonly lifetime: Milliseconds
  /** Times that it may be renewed. */
  readonly maxRenewals: number
}

/** Terms as they stand in tokens and manifests. */
export const permissionsShape = {
  resources: z.strictObject({
    cpu_percent_max: z.number().min(1).max(100),
    ram_mb_max: z.number().int().min(1).max(1_048_576),
    storage_gb_max: z.number().min(0).max(1_048_576),
    bandwidth_mbps_max: z.number().min(0).max(1_000_000),
  }),
  tasks: z.strictObject({
    kinds: z.array(z.enum(TASK_KINDS)).min(1).max(TASK_KINDS.length).refine(isDistinct, 'a kind twice'),
    min_reputation: z.number().min(0).max(1),
    max_duration_hours: z.number().positive().max(48),
  }),
  monitoring: z.strictObject({
    user_activity_yield: z.boolean(),
    resource_monitoring: z.boolean(),
    audit_logging: z.boolean(),
  }),
  purpose: z.array(z.string().min(1).max(500)).min(1).max(4).refine(isDistinct, 'a purpose twice'),
  data: z.array(z.enum(DATA_CATEGORIES)).max(DATA_CATEGORIES.length).refine(isDistinct, 'a category twice'),
}

const permissionsSchema = z.strictObject(permissionsShape)
export type PermissionsPayload = z.output<typeof permissionsSchema>

export const nodeIdSchema = z.string().max(64).refine(isNodeId, 'expected the peer id of an Ed25519 key')
/** Seconds since 1970, as RFC 7519 has them. */
export const secondsSchema = z.number().int().min(0).max(1e11)
/** 128 random bits. */
export const idSchema = z.string().regex(/^[0-9a-f]{32}$/)
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/)

type Agreed = Pick<ConsentTerms, 'permissions' | 'purposes' | 'data'>

/** The fields of a payload for these terms. */
export function permissionsPayload({ permissions, purposes, data }: Agreed): PermissionsPayload {
  const { resources, tasks, monitoring } = permissions
  return {
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
    purpose: [...purposes],
    data: [...data],
  }
}

/** The terms of a payload's fields. */
export function permissionsOf({ resources, tasks, monitoring, purpose, data }: PermissionsPayload): Agreed {
  return {
    permissions: {
      resources: {
        cpuPercentMax: resources.cpu_percent_max,
        ramMbMax: resources.ram_mb_max,
        storageGbMax: resources.storage_gb_max,
        bandwidthMbpsMax: resources.bandwidth_mbps_max,
      },
      tasks: {
        kinds: tasks.kinds,
        minReputation: tasks.min_reputation,
        maxDurationHours: tasks.max_duration_hours,
      },
      monitoring: {
        userActivityYield: monitoring.user_activity_yield,
        resourceMonitoring: monitoring.resource_monitoring,
        auditLogging: monitoring.audit_logging,
      },
    },
    purposes: purpose,
    data,
  }
}

function isDistinct(items: readonly string[]): boolean {
  return new Set(items).size === items.length
}

function isNodeId(text: string): boolean {
  try {
    publicKeyFromNodeId(text)
    return true
  } catch {
    return false
  }
}
