import type { CampaignId, Digest, Fuel, LeaseId, Milliseconds, NodeId, Timestamp } from '@askee/core'
import { noUsage, type Usage } from './room.ts'

/** The worker's memory. In memory only: after a restart its leases are lost and given to others. */
export interface WorkerState {
  readonly config: WorkerConfig
  readonly leases: Map<LeaseId, WorkerLease>
  /** Accepted and not started, oldest first. */
  queued: LeaseId[]
  /** Campaign and task of each live lease: one at a time. */
  readonly liveTasks: Set<string>
  /** What each requester has here, and all together. */
  readonly usage: Map<NodeId, Usage>
  readonly total: Usage
  completed: number
  failed: number
  refused: number
  readonly credit: Map<NodeId, Fuel>
}

export interface WorkerConfig {
  /** Tasks run at once. */
  readonly slots: number
  /** Leases accepted and not committed, at most: what is beyond is refused as busy (NET-5). */
  readonly queue: number
  /** Results kept until they are settled, at most. */
  readonly held: number
  /** Bytes of inputs and results, at most, in memory and in the block store. */
  readonly heldBytes: number
  /** Part of queue, results and bytes that one requester may take, above 0 and at most 1. */
  readonly share: number
  /** Added to the longest time that a lease may last. */
  readonly leaseSlack: Milliseconds
  /** How long a result is kept for its reveal after the lease has ended. */
  readonly retention: Milliseconds
}

type WorkerStage = 'queued' | 'fetching' | 'running' | 'committed' | 'revealed'

export interface WorkerLease {
  readonly id: LeaseId
  readonly campaign: CampaignId
  readonly task: number
  readonly requester: NodeId
  readonly consent: string
  readonly module: Digest
  readonly expires: Timestamp
  /** What it takes, or may take, of the bytes that can be held. */
  bytes: number
  /** Of its result, once there is one: more is never credited. */
  fuel: Fuel | null
  /** Signed documents with its receipt that were shown, the newest last. */
  receipts: readonly Digest[]
  stage: WorkerStage
  since: Timestamp
}

export function initialWorker(config: WorkerConfig): WorkerState {
  return {
    config,
    leases: new Map(),
    queued: [],
    liveTasks: new Set(),
    usage: new Map(),
    total: noUsage(),
    completed: 0,
    failed: 0,
    refused: 0,
    credit: new Map(),
  }
}
