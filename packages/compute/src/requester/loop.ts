import {
  AskeeError,
  type Clock,
  type Logger,
  type Milliseconds,
  type Random,
  type Timers,
  toHex,
} from '@askee/core'
import type { CoordinatorEffect, CoordinatorEvent } from '../coordinator/events.ts'
import { step } from '../coordinator/machine.ts'
import type { Attachments, Campaign, PendingEvent } from './campaign.ts'
import type { Journal, JournalEntry } from './journal.ts'

export interface LoopComponents {
  readonly journal: Journal
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

/**
 * Feeds events to the machines of all campaigns. Events gather for a moment, are stepped, written in one transaction,
 * and only then carried out and acknowledged.
 */
export class Loop {
  readonly #components: LoopComponents
  readonly #period: Milliseconds
  readonly #carryOut: (campaign: Campaign, effects: readonly CoordinatorEffect[]) => void
  readonly #dirty = new Set<Campaign>()
  #cancel: (() => void) | null = null
  #stopped = false

  /** @param period how long events gather before a group commit */
  constructor(
    components: LoopComponents,
    period: Milliseconds,
    carryOut: (campaign: Campaign, effects: readonly CoordinatorEffect[]) => void,
  ) {
    this.#components = components
    this.#period = period
    this.#carryOut = carryOut
  }

  /** Resolves when the event is on disk. @throws AskeeError `compute/stopped`, `compute/journal` */
  feed(campaign: Campaign, event: CoordinatorEvent, attachments: Attachments = {}): Promise<void> {
    if (this.#stopped) return Promise.reject(new AskeeError('compute/stopped', 'the requester has stopped'))
    const done = Promise.withResolvers<void>()
    campaign.pending.push({ event, attachments, done })
    this.touch(campaign)
    return done.promise
  }

  /** As `feed`, for who need not know when. */
  post(campaign: Campaign, event: CoordinatorEvent, attachments: Attachments = {}): void {
    this.feed(campaign, event, attachments).catch(() => undefined)
  }

  /** Gives the campaign a chance to hand out leases. */
  touch(campaign: Campaign): void {
    this.#dirty.add(campaign)
    if (this.#cancel === null && !this.#stopped) {
      this.#cancel = this.#components.timers.after(this.#period, () => this.#flush())
    }
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
    for (const campaign of this.#dirty) {
      for (const { done } of campaign.pending) {
        done.reject(new AskeeError('compute/stopped', 'the requester has stopped'))
        done.promise.catch(() => undefined)
      }
    }
    this.#dirty.clear()
  }

  #flush(): void {
    this.#cancel = null
    const stepped = [...this.#dirty].map((campaign) => this.#step(campaign))
    this.#dirty.clear()
    const entries = stepped.map(({ entry }) => entry).filter((entry) => entry.events.length > 0)
    try {
      if (entries.length > 0) this.#components.journal.append(entries)
    } catch (cause) {
      this.#undo(stepped, cause)
      return
    }
    for (const { campaign, effects, pending } of stepped) {
      for (const { done } of pending) done.resolve()
      this.#carryOut(campaign, effects)
    }
  }

  #step(campaign: Campaign): Stepped {
    const pending = campaign.pending
    campaign.pending = []
    const effects: CoordinatorEffect[] = []
    const entry = {
      campaign: campaign.signed.id,
      events: [] as CoordinatorEvent[],
      outputs: [] as Uint8Array[],
      documents: [] as JournalEntry['documents'][number][],
      judgements: [] as JournalEntry['judgements'][number][],
    }
    const apply = (event: CoordinatorEvent, attachments: Attachments): void => {
      const result = step(campaign.state, event)
      if (!result.changed) return
      entry.events.push(event)
      entry.outputs.push(...(attachments.outputs ?? []))
      entry.documents.push(...(attachments.documents ?? []))
      for (const effect of result.effects) {
        effects.push(effect)
        if (effect.type === 'judged') entry.judgements.push(effect)
      }
    }
    for (const { event, attachments } of pending) apply(event, attachments)
    if (campaign.state.phase === 'running') {
      const entropy = toHex(this.#components.random.bytes(16))
      apply({ type: 'assign', now: this.#components.clock.now(), entropy }, {})
    }
    return { campaign, effects, entry, pending }
  }

  /** The disk refused: memory goes back to what the disk holds, and nothing of this tick is carried out. */
  #undo(stepped: readonly Stepped[], cause: unknown): void {
    this.#components.logger.error({ error: String(cause) }, 'the journal could not be written')
    for (const { campaign, pending } of stepped) {
      campaign.state = this.#components.journal.replay(campaign.signed.id)
      const error = new AskeeError('compute/journal', 'the journal could not be written', {}, { cause })
      for (const { done } of pending) done.reject(error)
    }
  }
}

interface Stepped {
  readonly campaign: Campaign
  readonly effects: readonly CoordinatorEffect[]
  readonly entry: JournalEntry
  readonly pending: readonly PendingEvent[]
}
