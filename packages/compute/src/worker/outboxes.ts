import type { CampaignId, LeaseId, NodeId } from '@askee/core'
import { Outbox, type OutboxComponents, type OutboxInit } from './outbox.ts'

/** An outbox for each campaign that there is something to tell about. */
export class Outboxes {
  readonly #outboxes = new Map<CampaignId, Outbox>()
  readonly #components: OutboxComponents
  readonly #init: OutboxInit
  readonly #onDrop: (requester: NodeId, leases: readonly LeaseId[]) => void
  readonly #stopping: () => AbortSignal

  /** @param onDrop called with leases that the requester wants to hear no more of */
  constructor(
    components: OutboxComponents,
    init: OutboxInit,
    onDrop: (requester: NodeId, leases: readonly LeaseId[]) => void,
    stopping: () => AbortSignal,
  ) {
    this.#components = components
    this.#init = init
    this.#onDrop = onDrop
    this.#stopping = stopping
  }

  of(campaign: CampaignId, requester: NodeId): Outbox {
    const held = this.#outboxes.get(campaign)
    if (held !== undefined) return held
    const onDrop = (leases: readonly LeaseId[]): void => this.#onDrop(requester, leases)
    const target = { campaign, requester }
    const outbox = new Outbox(this.#components, this.#init, target, onDrop, this.#stopping())
    this.#outboxes.set(campaign, outbox)
    return outbox
  }

  /** Takes back the commitment of a lease that is held no more. */
  cancel(campaign: CampaignId, lease: LeaseId): void {
    this.#outboxes.get(campaign)?.cancel(lease)
  }

  /** Forgets those with nothing to tell, of campaigns that no lease is left of. */
  prune(active: ReadonlySet<CampaignId>): void {
    for (const [campaign, outbox] of this.#outboxes) {
      if (outbox.idle && !active.has(campaign)) this.#outboxes.delete(campaign)
    }
  }

  clear(): void {
    this.#outboxes.clear()
  }
}
