import type { CampaignId, LeaseId, NodeId } from '@askee/core'
import type { ConsentBandwidth } from './consent-bandwidth.ts'
import { Outbox, type OutboxComponents, type OutboxInit } from './outbox.ts'

/** An outbox for each campaign and consent that there is something to tell about. */
export class Outboxes {
  readonly #outboxes = new Map<string, { readonly campaign: CampaignId; readonly outbox: Outbox }>()
  readonly #components: OutboxComponents
  readonly #init: OutboxInit
  readonly #onDrop: (requester: NodeId, leases: readonly LeaseId[]) => void
  readonly #stopping: () => AbortSignal
  readonly #bandwidth: ConsentBandwidth

  /** @param onDrop called with leases that the requester wants to hear no more of */
  constructor(
    components: OutboxComponents,
    init: OutboxInit,
    onDrop: (requester: NodeId, leases: readonly LeaseId[]) => void,
    stopping: () => AbortSignal,
    bandwidth: ConsentBandwidth,
  ) {
    this.#components = components
    this.#init = init
    this.#onDrop = onDrop
    this.#stopping = stopping
    this.#bandwidth = bandwidth
  }

  of(campaign: CampaignId, requester: NodeId, consent: string): Outbox {
    const key = keyOf(campaign, consent)
    const held = this.#outboxes.get(key)
    if (held !== undefined) return held.outbox
    const onDrop = (leases: readonly LeaseId[]): void => this.#onDrop(requester, leases)
    const signal = this.#stopping()
    const pace = (bytes: number): Promise<void> => this.#bandwidth.take(consent, bytes, 'message', { signal })
    const outbox = new Outbox(this.#components, this.#init, { campaign, requester, pace }, onDrop, signal)
    this.#outboxes.set(key, { campaign, outbox })
    return outbox
  }

  /** Takes back the commitment of a lease that is held no more. */
  cancel(campaign: CampaignId, consent: string, lease: LeaseId): void {
    this.#outboxes.get(keyOf(campaign, consent))?.outbox.cancel(lease)
  }

  /** Forgets those with nothing to tell, of campaigns that no lease is left of. */
  prune(active: ReadonlySet<CampaignId>): void {
    for (const [key, { campaign, outbox }] of this.#outboxes) {
      if (outbox.idle && !active.has(campaign)) this.#outboxes.delete(key)
    }
  }

  clear(): void {
    this.#outboxes.clear()
  }
}

function keyOf(campaign: CampaignId, consent: string): string {
  return `${campaign}/${consent}`
}
