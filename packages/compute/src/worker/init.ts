import type { Milliseconds, NodeId } from '@askee/core'

/** Options of a worker. Times in milliseconds. */
export interface WorkerInit {
  /** Tasks run at once. Default 1. */
  readonly slots?: number
  /** Leases taken and not committed, at most. Default 256: the coordinator gives so many only to quick nodes. */
  readonly queue?: number
  /** Results kept until they are settled, at most. Default 8,192. */
  readonly held?: number
  /** Memory that one task may have, at most. Default 1 GiB. */
  readonly memoryBytes?: number
  /** What this node knows of a requester's conduct, 0 to 1. Default: 0, a stranger. */
  readonly requesterReputation?: (requester: NodeId) => number
  /** Between two heartbeats; also how often the consents of running tasks are checked. Default 1,000. */
  readonly heartbeatPeriod?: Milliseconds
  /** Offers of many nodes are spread over this time. Default 100. */
  readonly offerJitter?: Milliseconds
  /** How long commitments gather before they are signed and sent together. Default 5. */
  readonly commitPeriod?: Milliseconds
  /** How often a commitment is sent again to a requester that cannot be reached. Default 1,000. */
  readonly retryDelay?: Milliseconds
  /** How long a requester may take to answer. Default 5,000. */
  readonly requestTimeout?: Milliseconds
  /** How long a result is kept for its reveal after the lease has ended. Default 10 minutes. */
  readonly retention?: Milliseconds
  /** Instrumented modules kept. Default 16. */
  readonly modules?: number
}

/** The options with their defaults. */
export function resolveWorkerInit(init: WorkerInit): Required<WorkerInit> {
  return {
    slots: 1,
    queue: 256,
    held: 8192,
    memoryBytes: 1024 ** 3,
    requesterReputation: () => 0,
    heartbeatPeriod: 1000,
    offerJitter: 100,
    commitPeriod: 5,
    retryDelay: 1000,
    requestTimeout: 5000,
    retention: 600_000,
    modules: 16,
    ...init,
  }
}
