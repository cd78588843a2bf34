import type { Digest, LeaseId, NodeId, Timestamp } from '@askee/core'
import type { EngineName } from './engines.ts'
import type { AccusationRecord, SettlementRecord, Vote } from './state.ts'

/** What happens to a campaign. Names are the actions of the specification. JSON data, as the journal keeps it. */
export type CoordinatorEvent =
  /** A node offered itself; its consent was verified. */
  | {
      readonly type: 'offered'
      readonly now: Timestamp
      readonly node: NodeId
      readonly consent: string
      readonly consentExpires: Timestamp
      readonly operator: NodeId
      readonly reputation: number
      /** What it says that it runs tasks in; missing in journals from before it was kept. */
      readonly engine?: EngineName
      readonly slots: number
      readonly queue: number
      /** A node that is gone and whose place it takes, because there are no more places. */
      readonly replaces: NodeId | null
    }
  /** A worker would not take these leases. */
  | {
      readonly type: 'refused'
      readonly now: Timestamp
      readonly node: NodeId
      readonly refusals: readonly { readonly lease: LeaseId; readonly code: string }[]
    }
  | {
      readonly type: 'committed'
      readonly now: Timestamp
      readonly node: NodeId
      /** Digest of the signed document. */
      readonly document: Digest
      readonly commits: readonly { readonly lease: LeaseId; readonly hash: Digest }[]
    }
  /** Signed receipts, each checked for signature, campaign, task, module and input. */
  | {
      readonly type: 'revealed'
      readonly now: Timestamp
      readonly node: NodeId
      /** Digest of the signed document. */
      readonly document: Digest
      readonly reveals: readonly Reveal[]
    }
  /** The node is delivering large outputs: what it was asked for has fresh time. */
  | { readonly type: 'progressed'; readonly now: Timestamp; readonly node: NodeId }
  /** Leases that will give no result: silent, expired, failed, withheld, unreachable. */
  | {
      readonly type: 'lost'
      readonly now: Timestamp
      readonly losses: readonly { readonly lease: LeaseId; readonly node: NodeId; readonly reason: string }[]
    }
  /** The node is gone or its consent is: nothing is assigned until it offers again. */
  | { readonly type: 'departed'; readonly now: Timestamp; readonly node: NodeId; readonly reason: string }
  /** Workers were told, or cannot be told. */
  | { readonly type: 'settled'; readonly now: Timestamp; readonly leases: readonly LeaseId[] }
  /** The requester wants no more of it. */
  | { readonly type: 'cancelled'; readonly now: Timestamp; readonly reason: string }
  /** The requester's node came back: effects that may not have been carried out are given again. */
  | { readonly type: 'resumed'; readonly now: Timestamp }
  /** Hands out leases. Their ids come from `entropy` (32 hexadecimal digits, fresh each time). */
  | { readonly type: 'assign'; readonly now: Timestamp; readonly entropy: string }
  /** Looks at what time alone changes. */
  | { readonly type: 'sweep'; readonly now: Timestamp }

export interface Reveal {
  readonly lease: LeaseId
  readonly vote: Vote
  /** Digest over module, input, output, trap and fuel. */
  readonly claim: Digest
  /** 32 bytes in hexadecimal. */
  readonly nonce: string
}

/** What is to be done about it. */
export type CoordinatorEffect =
  | {
      readonly type: 'assign'
      readonly node: NodeId
      readonly consent: string
      readonly lease: LeaseId
      readonly task: number
      readonly expiresIn: number
    }
  /** For those who follow: a node joined, a lease committed. */
  | { readonly type: 'registered'; readonly node: NodeId }
  | { readonly type: 'committed'; readonly task: number; readonly node: NodeId }
  | { readonly type: 'reveal'; readonly node: NodeId; readonly lease: LeaseId }
  | ({ readonly type: 'settle'; readonly lease: LeaseId } & SettlementRecord)
  | { readonly type: 'accepted'; readonly task: number; readonly output: Digest }
  | { readonly type: 'undecidable'; readonly task: number; readonly reason: string }
  | { readonly type: 'accused'; readonly accusation: AccusationRecord }
  /** The node's vote was decided about: evidence for its reputation. */
  | { readonly type: 'judged'; readonly node: NodeId; readonly verdict: 'agreed' | 'dissented' }
  | {
      readonly type: 'lease-lost'
      readonly task: number
      readonly node: NodeId
      readonly lease: LeaseId
      readonly reason: string
    }
  /** The lease is not live any more: it committed or ended. */
  | { readonly type: 'unwatch'; readonly lease: LeaseId }
  | { readonly type: 'finished' }
