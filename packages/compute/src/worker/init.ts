import { availableParallelism } from 'node:os'
import type { Milliseconds, NodeId } from '@askee/core'

/** Options of a worker. Times in milliseconds. */
export interface WorkerInit {
  /** File of the ledger of credits, or `:memory:`, which is the default. */
  readonly journal?: string
  /** Tasks run at once. Default 1. */
  readonly slots?: number
  /** Processors of this machine, which a consent's share is of. Default: as many as the system says. */
  readonly processors?: number
  /** Leases taken and not committed, at most. Default 512: the coordinator gives so many only to quick nodes. */
  readonly queue?: number
  /** Results kept until they are settled, at most. Default 16,384. */
  readonly held?: number
  /** Bytes of inputs and results kept, at most, in memory and in the block store. Default 512 MiB. */
  readonly heldBytes?: number
  /** Part of queue, results and bytes that one requester may take, above 0 and at most 1. Default 1/2. */
  readonly share?: number
  /** How much longer a lease may last than its turn in the queue. Default 1 minute. */
  readonly leaseSlack?: Milliseconds
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
  /** Instrumented modules kept, and their bytes together. Defaults 16 and 128 MiB. */
  readonly modules?: number
  readonly moduleBytes?: number
}

/** The options with their defaults. */
export function resolveWorkerInit(init: WorkerInit): Required<WorkerInit> {
  return {
    journal: ':memory:',
    slots: 1,
    processors: availableParallelism(),
    queue: 512,
    held: 16_384,
    heldBytes: 512 * 1024 ** 2,
    share: 0.5,
    leaseSlack: 60_000,
    memoryBytes: 1024 ** 3,
    requesterReputation: () => 0,
    heartbeatPeriod: 1000,
    offerJitter: 100,
    commitPeriod: 5,
    retryDelay: 1000,
    requestTimeout: 5000,
    retention: 600_000,
    modules: 16,
    moduleBytes: 128 * 1024 ** 2,
    ...init,
  }
}
