import type { CampaignId, Digest, LeaseId, Milliseconds, NodeId, Timestamp } from '@askee/core'
import type { TrapCode } from '@askee/wasm'
import type { EngineName, EnginePolicy } from './engines.ts'

/**
 * The coordinator's memory of one campaign. Plain JSON data (fuel as decimal text), so that it can be journaled,
 * compared and sent as it is. `step` updates it in place: with tens of thousands of tasks a copy per event would cost
 * more than the work itself. Whoever wants history replays the journal, which gives the same state.
 */
export interface CoordinatorState {
  readonly config: CoordinatorConfig
  phase: 'running' | 'finished' | 'expired' | 'cancelled'
  /** Why its requester ended it before its time; missing while it did not. */
  cancelled?: string
  readonly tasks: TaskRecord[]
  /** Live and revealed leases of tasks that are not settled. */
  readonly leases: Record<LeaseId, LeaseRecord>
  readonly nodes: Record<NodeId, NodeRecord>
  /** Tasks below this index have been handed out at least once. */
  nextFresh: number
  /** Handed-out tasks that want more replicas, oldest first. */
  retry: number[]
  /** Indices of undecided tasks that were handed out, for sweeps that must not visit all tasks. */
  readonly active: Record<string, true>
  /** Undecided tasks. */
  open: number
  /** When the pool last gained a node, or 0. */
  poolChangedAt: Timestamp
  /** Since when fresh tasks find nobody although nodes had joined. */
  stuckSince: Timestamp | null
  readonly accusations: AccusationRecord[]
  /** Decimal fuel by node. */
  readonly credit: Record<NodeId, string>
  /** Decisions whose workers have not been told yet. */
  readonly unsettled: Record<LeaseId, SettlementRecord>
}

export interface CoordinatorConfig {
  readonly campaign: CampaignId
  readonly f: number
  readonly count: number
  readonly deadline: Timestamp
  readonly minReputation: number
  readonly wallTime: Milliseconds
  /** Missing in journals from before it was kept, which means `any`. */
  readonly engines?: EnginePolicy
  readonly policy: CoordinatorPolicy
}

/** Times in milliseconds. */
export interface CoordinatorPolicy {
  /** Added to a lease's computed length: fetching, queueing, a slow network. */
  readonly leaseSlack: Milliseconds
  /** Least time that stragglers get once f+1 replicas have committed. */
  readonly stragglerFloor: Milliseconds
  /** Stragglers get this many times what the slowest of the others took. */
  readonly stragglerFactor: number
  /** A worker whose reveal is not here within this time, outputs fetched and all, has withheld it. */
  readonly revealTimeout: Milliseconds
  /** With a small pool, how long it must be unchanged before tasks start on fewer than 2f+1 nodes. */
  readonly poolSettle: Milliseconds
  /** How long a task without any eligible node waits for one before it is undecidable. */
  readonly poolGrace: Milliseconds
  /** A task at which nodes failed more often than this times 2f+1 waits longer and longer between replicas. */
  readonly lossFactor: number
  /** A task that has this many times 2f+1 votes without a decision is undecidable. */
  readonly voteFactor: number
  /** Back-off of a node after its n-th loss in a row: base times 2^(n-1), at most the cap. */
  readonly backoffBase: Milliseconds
  readonly backoffCap: Milliseconds
  /** Back-off of a node that said it is busy. */
  readonly busyBackoff: Milliseconds
  /** Leases beyond its slots that a node gets before it is known to be quick. */
  readonly prefetch: number
  /** A commitment within this time of its lease says that the node could take more at once. */
  readonly quickTurnaround: Milliseconds
  /** One later than this says that it has too many. */
  readonly slowTurnaround: Milliseconds
}

export const DEFAULT_POLICY: CoordinatorPolicy = {
  leaseSlack: 30_000,
  stragglerFloor: 2000,
  stragglerFactor: 3,
  revealTimeout: 60_000,
  poolSettle: 2000,
  poolGrace: 30_000,
  lossFactor: 8,
  voteFactor: 3,
  backoffBase: 1000,
  backoffCap: 60_000,
  busyBackoff: 500,
  prefetch: 1,
  quickTurnaround: 300,
  slowTurnaround: 1500,
}

export interface TaskRecord {
  /** Leases not yet judged or lost. */
  leases: LeaseId[]
  /** Leases handed out so far. */
  replicas: number
  /** Leases that failed by their nodes' own doing. */
  losses: number
  /** No more replicas before this: too many nodes failed. */
  pausedUntil: Timestamp
  /** Distinct nodes that are to vote. */
  wanted: number
  /** Own failures by node, and until when it waits before it tries again. */
  tried: Record<NodeId, { readonly failures: number; readonly until: Timestamp }>
  /** Nodes that can never do it, each with the consent under which that is so; missing while there is none. */
  misfits?: Record<NodeId, string>
  /** When stragglers are no longer waited for. */
  stragglersUntil: Timestamp | null
  /** Since when nobody can take it. */
  stuckSince: Timestamp | null
  outcome: TaskOutcome | null
  /** How many votes for the accepted result came from each engine; missing while there is none. */
  agreed?: Readonly<Partial<Record<EngineName, number>>>
}

export type TaskOutcome =
  | { readonly kind: 'accepted'; readonly vote: Vote; readonly receipts: readonly Digest[] }
  | { readonly kind: 'undecidable'; readonly reason: string }

/** Why a task that the deadline ended is undecidable. */
export const DEADLINE_PASSED = 'the deadline passed'

/** What is voted on. */
export interface Vote {
  readonly output: Digest
  readonly trap: TrapCode | null
  /** Decimal. */
  readonly fuel: string
}

type LeaseStage =
  /** Sent or held by the worker, nothing committed. */
  | 'live'
  | 'committed'
  /** Asked to reveal. */
  | 'asked'
  | 'revealed'

export interface LeaseRecord {
  readonly id: LeaseId
  readonly task: number
  readonly node: NodeId
  /** What the node said that it runs tasks in when the lease was handed out. */
  readonly engine: EngineName | null
  /** The consent that the assignment cites, and its receipt must. */
  readonly consent: string
  readonly issued: Timestamp
  stage: LeaseStage
  /** The commitment and the digest of the signed document that holds it. */
  commitment: { readonly hash: Digest; readonly document: Digest } | null
  committedAt: Timestamp
  askedAt: Timestamp
  vote: Vote | null
  /** The signed document with its receipt. */
  receipt: Digest | null
}

export interface NodeRecord {
  readonly id: NodeId
  consent: string
  consentExpires: Timestamp
  /** Who granted the consent: the operator of the node. */
  operator: NodeId
  reputation: number
  /** What it says that it runs tasks in; null in journals from before it was kept. */
  engine: EngineName | null
  slots: number
  /** Most leases it takes before they are committed. */
  queue: number
  present: boolean
  accused: boolean
  /** Leases handed out and not committed. */
  inFlight: number
  /** Leases it may hold uncommitted now. */
  window: number
  /** Losses since the last success. */
  strikes: number
  backoffUntil: Timestamp
  /** Its consent allows too little disk for the last task that it tried; missing while that is not so. */
  cramped?: true
  /** Its owner suspended the consent; missing while that is not so. */
  suspended?: true
}

export interface AccusationRecord {
  readonly node: NodeId
  readonly task: number
  readonly lease: LeaseId
  readonly offence: 'wrong-result' | 'broken-commitment'
  /** Digests of signed documents: its commitment, its receipts, and those of the nodes that outvoted it. */
  readonly evidence: readonly Digest[]
}

export interface SettlementRecord {
  readonly node: NodeId
  readonly outcome: 'accepted' | 'rejected' | 'cancelled'
  /** Decimal fuel. */
  readonly credit: string
  /** The document with the receipt. */
  readonly receipt: Digest | null
}

/** A campaign that has just been journaled. */
export function initialState(config: CoordinatorConfig): CoordinatorState {
  // Two engines need two nodes, also where no node is thought faulty.
  const wanted = Math.max(2 * config.f + 1, config.engines === 'diverse' ? 2 : 1)
  return {
    config,
    phase: 'running',
    tasks: Array.from({ length: config.count }, () => ({
      leases: [],
      replicas: 0,
      losses: 0,
      pausedUntil: 0,
      wanted,
      tried: {},
      stragglersUntil: null,
      stuckSince: null,
      outcome: null,
    })),
    leases: {},
    nodes: {},
    nextFresh: 0,
    retry: [],
    active: {},
    open: config.count,
    poolChangedAt: 0,
    stuckSince: null,
    accusations: [],
    credit: {},
    unsettled: {},
  }
}
