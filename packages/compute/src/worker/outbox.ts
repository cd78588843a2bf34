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
  type Timestamp,
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

/** Longest wait between two tries, in retry delays. */
const LONGEST_WAIT = 32

/** Whom what is told, and what it has to wait for. */
export interface OutboxTarget {
  readonly requester: NodeId
  readonly campaign: CampaignId
  /** Resolves when so many bytes may be sent. */
  readonly pace: (bytes: number) => Promise<void>
}

/** A batch, and each notice in it and in its answer, at most about. */
const BATCH_BYTES = 512
const NOTICE_BYTES = 160

export type Notice = (
  | { readonly type: 'commitment'; readonly lease: LeaseId; readonly hash: Digest }
  | { readonly type: 'failure'; readonly lease: LeaseId; readonly code: string }
) & {
  /** The end of its lease: after it nobody waits for the word. */
  readonly until: Timestamp
}

/**
 * What a worker has to tell one campaign's requester. Sent in batches, ever more rarely while nobody answers, until it
 * is acknowledged, taken back or its lease has ended.
 */
export class Outbox {
  readonly #components: OutboxComponents
  readonly #init: OutboxInit
  readonly #requester: NodeId
  readonly #campaign: CampaignId
  readonly #pace: OutboxTarget['pace']
  readonly #onDrop: (leases: readonly LeaseId[]) => void
  readonly #signal: AbortSignal
  #queue: Notice[] = []
  /** Taken back, of those waiting or under way. */
  readonly #cancelled = new Set<LeaseId>()
  #running = false
  /** Tries without an answer since the last one. */
  #tries = 0

  constructor(
    components: OutboxComponents,
    init: OutboxInit,
    target: OutboxTarget,
    onDrop: (leases: readonly LeaseId[]) => void,
    signal: AbortSignal,
  ) {
    this.#components = components
    this.#init = init
    this.#requester = target.requester
    this.#campaign = target.campaign
    this.#pace = target.pace
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

  /** Takes back the commitment of a lease that is held no more. */
  cancel(lease: LeaseId): void {
    // Looked at when the next batch is made: most leases end long after their commitment was sent.
    if (this.#running) this.#cancelled.add(lease)
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#signal.aborted) {
        await this.#components.timers.sleep(this.#init.commitPeriod, this.#signal)
        const count = Math.min(this.#queue.length, MAX_BATCH)
        await this.#pace(BATCH_BYTES + count * NOTICE_BYTES)
        const batch = this.#current(this.#queue.splice(0, count))
        if (this.#queue.length === 0) this.#cancelled.clear()
        if (batch.length === 0) continue
        if (await this.#deliver(batch)) {
          this.#tries = 0
          continue
        }
        // What ended or was taken back meanwhile is not sent again.
        this.#queue.unshift(...this.#current(batch))
        const wait = Math.min(LONGEST_WAIT, 2 ** this.#tries++)
        await this.#components.timers.sleep(this.#init.retryDelay * wait, this.#signal)
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error
    } finally {
      this.#running = false
      this.#cancelled.clear()
    }
  }

  /** Without what ended or was taken back; the ended ones are dropped here. */
  #current(batch: readonly Notice[]): Notice[] {
    const now = this.#components.clock.now()
    const over = batch.filter(({ until }) => now >= until)
    if (over.length > 0) this.#onDrop(over.map(({ lease }) => lease))
    return batch.filter(
      ({ type, lease, until }) => now < until && (type === 'failure' || !this.#cancelled.has(lease)),
    )
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
