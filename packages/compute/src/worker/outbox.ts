import {
  type CampaignId,
  type Clock,
  type Digest,
  decode,
  encode,
  errorCode,
  type LeaseId,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type Timers,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import { signCommitment } from '../protocol/documents.ts'
import { type commitSchema, dropSchema } from '../protocol/messages.ts'
import { MAX_BATCH, MAX_MESSAGE_BYTES, PROTOCOLS } from '../protocol/names.ts'

export interface OutboxComponents {
  readonly mesh: Mesh
  readonly identity: Identity
  readonly clock: Clock
  readonly timers: Timers
}

export interface OutboxInit {
  readonly commitPeriod: Milliseconds
  readonly retryDelay: Milliseconds
  readonly requestTimeout: Milliseconds
}

export type Notice =
  | { readonly type: 'commitment'; readonly lease: LeaseId; readonly hash: Digest }
  | { readonly type: 'failure'; readonly lease: LeaseId; readonly code: string }

/** What a worker has to tell one campaign's requester. Sent in batches, again and again until it is acknowledged. */
export class Outbox {
  readonly #components: OutboxComponents
  readonly #init: OutboxInit
  readonly #requester: NodeId
  readonly #campaign: CampaignId
  readonly #onDrop: (leases: readonly LeaseId[]) => void
  readonly #signal: AbortSignal
  #queue: Notice[] = []
  #running = false

  constructor(
    components: OutboxComponents,
    init: OutboxInit,
    target: { readonly requester: NodeId; readonly campaign: CampaignId },
    onDrop: (leases: readonly LeaseId[]) => void,
    signal: AbortSignal,
  ) {
    this.#components = components
    this.#init = init
    this.#requester = target.requester
    this.#campaign = target.campaign
    this.#onDrop = onDrop
    this.#signal = signal
  }

  /** Nothing is waiting or under way. */
  get idle(): boolean {
    return !this.#running
  }

  push(notice: Notice): void {
    this.#queue.push(notice)
    if (this.#running) return
    this.#running = true
    void this.#drain()
  }

  /** Takes back what is about these leases. */
  cancel(leases: ReadonlySet<LeaseId>): void {
    this.#queue = this.#queue.filter(({ lease }) => !leases.has(lease))
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#signal.aborted) {
        await this.#components.timers.sleep(this.#init.commitPeriod, this.#signal)
        const batch = this.#queue.splice(0, MAX_BATCH)
        if (batch.length > 0 && !(await this.#deliver(batch))) {
          this.#queue.unshift(...batch)
          await this.#components.timers.sleep(this.#init.retryDelay, this.#signal)
        }
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error
    } finally {
      this.#running = false
    }
  }

  /** False when it must be tried again. */
  async #deliver(batch: readonly Notice[]): Promise<boolean> {
    const { mesh, identity } = this.#components
    const commitments = batch
      .filter((notice) => notice.type === 'commitment')
      .map(({ lease, hash }) => ({ lease, hash }))
    const failed = batch
      .filter((notice) => notice.type === 'failure')
      .map(({ lease, code }) => ({ lease, code }))
    const campaign = this.#campaign
    const document =
      commitments.length === 0 ? null : signCommitment(identity, { v: 1, campaign, commitments })
    const body = { v: 1, campaign, document, failed } satisfies ReturnType<typeof commitSchema.parse>
    try {
      const answer = await mesh.request(this.#requester, PROTOCOLS.commit, encode(body), {
        signal: this.#signal,
        timeout: this.#init.requestTimeout,
      })
      this.#onDrop(decode(answer, dropSchema, MAX_MESSAGE_BYTES).drop)
      return true
    } catch (error) {
      if (errorCode(error) !== 'mesh/refused') return false
      const { code } = (error as { details: { code?: unknown } }).details
      if (code === 'compute/journal' || code === 'compute/stopped') return false
      // It will never be taken: the requester does not know the campaign or us.
      this.#onDrop(batch.map(({ lease }) => lease))
      return true
    }
  }
}
