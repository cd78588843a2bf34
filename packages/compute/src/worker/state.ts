import type { CampaignId, Digest, Fuel, LeaseId, Milliseconds, NodeId, Timestamp } from '@askee/core'

/** The worker's memory. In memory only: after a restart its leases are lost and given to others. */
export interface WorkerState {
  readonly config: WorkerConfig
  readonly leases: Map<LeaseId, WorkerLease>
  /** Accepted and not started, oldest first. */
  queued: LeaseId[]
  /** Fetching or running. */
  busy: number
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
  stage: WorkerStage
  since: Timestamp
}

export function initialWorker(config: WorkerConfig): WorkerState {
  return {
    config,
    leases: new Map(),
    queued: [],
    busy: 0,
    completed: 0,
    failed: 0,
    refused: 0,
    credit: new Map(),
  }
}
