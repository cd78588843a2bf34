import type { CampaignId, Digest, Fuel, LeaseId, NodeId, Timestamp } from '@askee/core'
import type { Settlement } from '../protocol/documents.ts'

/** What happens to a worker. Names are the actions of the specification. */
export type WorkerEvent =
  /** A campaign was announced. `consent` is the live consent that covers it, `capable` whether this machine could. */
  | {
      readonly type: 'announced'
      readonly now: Timestamp
      readonly campaign: CampaignId
      readonly requester: NodeId
      readonly deadline: Timestamp
      readonly consent: string | null
      readonly capable: 'capable' | 'incapable'
    }
  /** Leases came from `from`. `refusal` is the code of the consent's door, null when it is open. */
  | {
      readonly type: 'assigned'
      readonly now: Timestamp
      readonly from: NodeId
      readonly campaign: CampaignId
      /** Who signed the campaign's manifest. */
      readonly requester: NodeId
      readonly deadline: Timestamp
      readonly count: number
      readonly consent: string
      readonly refusal: string | null
      /** Bytes on disk that the consent has room for, and that each result may take of them (CON-2). */
      readonly disk: { readonly room: number; readonly each: number }
      readonly module: Digest
      /** What the campaign allows one task. */
      readonly wallTime: number
      readonly outputBytes: number
      readonly leases: readonly {
        readonly lease: LeaseId
        readonly task: number
        readonly expiresIn: number
        /** Of the input that came along. */
        readonly inputBytes: number
      }[]
    }
  /** Module and input are here, the task runs. */
  | { readonly type: 'started'; readonly now: Timestamp; readonly lease: LeaseId }
  /** The task ended with a result. */
  | {
      readonly type: 'computed'
      readonly now: Timestamp
      readonly lease: LeaseId
      readonly outputBytes: number
      readonly fuel: Fuel
    }
  /** This node could not or may not do it: no answer of the task. */
  | { readonly type: 'failed'; readonly now: Timestamp; readonly lease: LeaseId; readonly code: string }
  /** The consent of these leases has ended: nothing of them may leave, done or not. */
  | {
      readonly type: 'consent-ended'
      readonly now: Timestamp
      readonly leases: readonly LeaseId[]
      readonly code: string
    }
  | {
      readonly type: 'reveal-asked'
      readonly now: Timestamp
      readonly from: NodeId
      readonly campaign: CampaignId
      readonly leases: readonly LeaseId[]
    }
  /** Their receipts left this node in one signed document. */
  | {
      readonly type: 'shown'
      readonly now: Timestamp
      readonly leases: readonly LeaseId[]
      readonly document: Digest
    }
  /** The requester does not want these any more, or does not know them. */
  | {
      readonly type: 'dropped'
      readonly now: Timestamp
      readonly from: NodeId
      readonly leases: readonly LeaseId[]
    }
  | {
      readonly type: 'settled'
      readonly now: Timestamp
      readonly from: NodeId
      readonly campaign: CampaignId
      readonly settlements: Settlement['settlements']
    }
  /** Looks at what time alone changes. */
  | { readonly type: 'sweep'; readonly now: Timestamp }

export type WorkerEffect =
  | { readonly type: 'offer'; readonly campaign: CampaignId; readonly requester: NodeId }
  | {
      readonly type: 'answer'
      readonly accepted: readonly LeaseId[]
      readonly refused: readonly { readonly lease: LeaseId; readonly code: string }[]
    }
  /** Fetch and run. */
  | { readonly type: 'start'; readonly lease: LeaseId }
  /** Tell the requester the commitment. */
  | {
      readonly type: 'commit'
      readonly lease: LeaseId
      readonly campaign: CampaignId
      readonly requester: NodeId
      readonly consent: string
      /** The end of the lease. */
      readonly until: Timestamp
    }
  /** Tell the requester that there will be none. */
  | {
      readonly type: 'report'
      readonly lease: LeaseId
      readonly campaign: CampaignId
      readonly requester: NodeId
      readonly consent: string
      readonly code: string
      readonly until: Timestamp
    }
  | {
      readonly type: 'reveal'
      readonly leases: readonly LeaseId[]
      readonly unknown: readonly LeaseId[]
    }
  /** So much more is owed by the requester: what its settlement says and this node's receipts bear out. */
  | { readonly type: 'credited'; readonly requester: NodeId; readonly credit: Fuel }
  /** Stop what runs for it, if anything, and forget its data. */
  | { readonly type: 'forget'; readonly lease: LeaseId; readonly reason: string }
