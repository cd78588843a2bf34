import type { Milliseconds } from '@askee/core'
import { type CoordinatorPolicy, DEFAULT_POLICY } from '../coordinator/state.ts'

/** Options of a requester. All times in milliseconds; the defaults suit the open internet. */
export interface RequesterInit {
  /** File of the journal, or `:memory:`. */
  readonly journal: string
  /** How the coordinator assigns, waits and gives up; kept with each campaign from its submission on. */
  readonly policy?: Partial<CoordinatorPolicy>
  /** How long events gather before they are journaled together. Default 5. */
  readonly commitPeriod?: Milliseconds
  /** Between two looks at deadlines and silent workers. Default 200. */
  readonly sweepPeriod?: Milliseconds
  /** A lease not heard of for this long is lost. Default 5,000: five heartbeats. */
  readonly silence?: Milliseconds
  /** How long a disconnected worker has to come back. Default 1,500. */
  readonly disconnectGrace?: Milliseconds
  /** How long a worker may take to answer one request. Default 5,000. */
  readonly requestTimeout?: Milliseconds
  /** How long reveals and settlements are tried again, and how often. Defaults 8,000 and 300. */
  readonly retryFor?: Milliseconds
  readonly retryDelay?: Milliseconds
  /** Shortest and longest time between two announcements of a campaign. Defaults 1,000 and 60,000. */
  readonly announceFirst?: Milliseconds
  readonly announceLongest?: Milliseconds
  /** Nodes registered for one campaign at most. Default 10,000. */
  readonly maxNodes?: number
}

type Resolved = Required<Omit<RequesterInit, 'policy'>> & { readonly policy: CoordinatorPolicy }

/** The options with their defaults. */
export function resolveRequesterInit(init: RequesterInit): Resolved {
  return {
    commitPeriod: 5,
    sweepPeriod: 200,
    silence: 5000,
    disconnectGrace: 1500,
    requestTimeout: 5000,
    retryFor: 8000,
    retryDelay: 300,
    announceFirst: 1000,
    announceLongest: 60_000,
    maxNodes: 10_000,
    ...init,
    policy: { ...DEFAULT_POLICY, ...init.policy },
  }
}
