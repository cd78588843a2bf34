import type { TaskKind } from '@askee/consent'
import type {
  CampaignId,
  Digest,
  Fuel,
  LeaseId,
  Milliseconds,
  NodeId,
  Startable,
  TaskId,
  Timestamp,
} from '@askee/core'
import type { TaskResult } from '@askee/sandbox'
import type { EngineName, EnginePolicy } from './coordinator/engines.ts'
import type { Volunteers } from './coordinator/volunteers.ts'

export type { EngineName, EnginePolicy, Volunteers }

/** What the tasks of a campaign may use, each. */
export interface TaskResources {
  readonly fuel: Fuel
  readonly memoryBytes: number
  readonly outputBytes: number
  readonly wallTime: Milliseconds
}

/** What a requester asks for. The requester's node turns it into a signed manifest. */
export interface CampaignSpec {
  /** In plain words, shown to people. */
  readonly purpose: string
  readonly kind: TaskKind
  /** The module as written, not instrumented. */
  readonly module: Uint8Array
  /** One task an input, in order. */
  readonly inputs: readonly Uint8Array[]
  readonly resources: TaskResources
  /** Faulty nodes tolerated per task: 2f+1 replicas, f+1 equal results decide. */
  readonly f: number
  /** Whether results must come from nodes with different engines; default `any`. */
  readonly engines?: EnginePolicy
  /** From submission to the latest end. */
  readonly deadline: Milliseconds
  /** 0 to 1; see docs: until the trust package exists it is the requester's own evidence. */
  readonly minReputation: number
}

export type TaskState = 'pending' | 'running' | 'accepted' | 'undecidable'

export interface TaskReport {
  readonly id: TaskId
  readonly index: number
  readonly state: TaskState
  /** The accepted result. */
  readonly result: TaskResult | null
  /** Leases handed out for this task so far. */
  readonly replicas: number
  /** Votes for the accepted result by the engine that their nodes say they have; empty without a result. */
  readonly engines: Readonly<Partial<Record<EngineName, number>>>
  /** Why it is undecidable, in words. */
  readonly reason: string | null
}

/** Something a node provably did wrong in this campaign. */
export interface Accusation {
  readonly node: NodeId
  readonly task: TaskId
  readonly lease: LeaseId
  /** `wrong-result`: outvoted by f+1 equal results. `broken-commitment`: revealed other than it committed to. */
  readonly offence: 'wrong-result' | 'broken-commitment'
  /** The signed documents that show it. */
  readonly evidence: readonly Uint8Array[]
}

export interface CampaignReport {
  readonly id: CampaignId
  readonly purpose: string
  readonly kind: TaskKind
  readonly state: 'running' | 'finished' | 'expired' | 'cancelled'
  /** Why its requester cancelled it, in its words; null when it did not. */
  readonly cancelled: string | null
  /** Who offered themselves so far. */
  readonly volunteers: Volunteers
  readonly f: number
  readonly engines: EnginePolicy
  readonly tasks: readonly TaskReport[]
  readonly accused: readonly Accusation[]
  /** Agreed fuel credited to each node. */
  readonly credit: ReadonlyMap<NodeId, Fuel>
  readonly submitted: Timestamp
}

/** What happened, for progress displays. Small: never carries results. */
export type CampaignEvent =
  | { readonly type: 'offer'; readonly campaign: CampaignId; readonly node: NodeId }
  | { readonly type: 'assigned'; readonly campaign: CampaignId; readonly task: TaskId; readonly node: NodeId }
  | {
      readonly type: 'committed'
      readonly campaign: CampaignId
      readonly task: TaskId
      readonly node: NodeId
    }
  | { readonly type: 'accepted'; readonly campaign: CampaignId; readonly task: TaskId }
  | {
      readonly type: 'undecidable'
      readonly campaign: CampaignId
      readonly task: TaskId
      readonly reason: string
    }
  | { readonly type: 'accused'; readonly campaign: CampaignId; readonly accusation: Accusation }
  | {
      readonly type: 'lease-lost'
      readonly campaign: CampaignId
      readonly task: TaskId
      readonly node: NodeId
      readonly reason: string
    }
  | { readonly type: 'finished'; readonly campaign: CampaignId }

/** The requester's side: publishes campaigns and decides their results. */
export interface Requester extends Startable {
  /**
   * Admits the module, signs and journals the campaign, and announces it.
   * @throws AskeeError `wasm/*` when the module is refused, `compute/spec` when the request is out of range, `blocks/full`
   *   when module and inputs do not fit into the block store together
   */
  submit(spec: CampaignSpec): Promise<CampaignId>
  /** All campaigns, newest first, without their tasks' outputs. */
  list(): readonly (Pick<
    CampaignReport,
    'id' | 'purpose' | 'state' | 'cancelled' | 'submitted' | 'volunteers'
  > & {
    readonly tasks: number
    readonly accepted: number
    readonly undecided: number
  })[]
  /**
   * The campaign of this id, or the only one whose id begins with these at least four characters.
   * @throws AskeeError `compute/unknown-campaign`, `compute/ambiguous-campaign` naming those that it could be
   */
  find(id: string): CampaignId
  /**
   * Ends a campaign: its undecided tasks get no result, workers are told to stop and forget. Resolves when that is on disk;
   * accepted results stay. Cancelling it again changes nothing.
   * @throws AskeeError `compute/unknown-campaign`, `compute/over` when nothing of it is undecided, `compute/journal`
   */
  cancel(id: CampaignId, reason: string): Promise<void>
  /** @throws AskeeError `compute/unknown-campaign` */
  report(id: CampaignId): CampaignReport
  /** Resolves when the campaign is finished, expired or cancelled. */
  wait(id: CampaignId, signal?: AbortSignal): Promise<CampaignReport>
  onEvent(listener: (event: CampaignEvent) => void): () => void
  /**
   * Whether `peer` may have this block from here: it is registered, with a consent that is live, in a running campaign
   * of which this is the module, the list of inputs or an input. Constant time.
   */
  mayFetch(peer: NodeId, digest: Digest): boolean
}

/** The volunteer's side: offers itself for campaigns that a consent covers, and does the work. */
export interface Worker extends Startable {
  status(): WorkerStatus
  /** Whether `peer` may have this block from here: it asked for the work whose output this is. Constant time. */
  mayFetch(peer: NodeId, digest: Digest): boolean
  /**
   * Resolves when so many bytes of a block that `peer` may have may go to it under the consent that it is held under.
   * @throws AskeeError `mesh/rate-limited` when that would take long: the peer asks again
   */
  paceServing(peer: NodeId, digest: Digest, bytes: number, signal?: AbortSignal): Promise<void>
  /** What a consent, named by any of its tokens, takes on disk and may take; undefined when nothing is counted for it. */
  storageUse(consent: string): Promise<StorageUse | undefined>
  /** Resolves when nothing that was begun under these consents runs any more: every process of it is gone. */
  quiet(consents: readonly string[]): Promise<void>
}

/** Disk of one consent. Bytes, whole pages of the file system included. */
export interface StorageUse {
  readonly used: number
  readonly allowed: number
}

export interface WorkerStatus {
  readonly slots: number
  readonly leases: readonly {
    readonly lease: LeaseId
    readonly campaign: CampaignId
    readonly task: TaskId
    readonly requester: NodeId
    readonly consent: string
    readonly module: Digest
    readonly state: 'queued' | 'fetching' | 'running' | 'committed' | 'revealed'
    readonly since: Timestamp
  }[]
  readonly completed: number
  /** Tasks that failed here; neither those that a consent ended nor those that had not begun in time. */
  readonly failed: number
  readonly refused: number
  /** Agreed fuel, by requester, as the requesters' signed settlements say. */
  readonly credit: ReadonlyMap<NodeId, Fuel>
}
