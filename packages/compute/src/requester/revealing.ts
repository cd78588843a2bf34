import {
  AskeeError,
  type Clock,
  digestOf,
  type LeaseId,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type Timers,
} from '@askee/core'
import { Budget } from '../budget.ts'
import type { Reveal } from '../coordinator/events.ts'
import { REVEAL_OUTPUT_BYTES } from '../protocol/names.ts'
import { refusalCode } from '../protocol/refusal.ts'
import type { Campaign } from './campaign.ts'
import type { Loop } from './loop.ts'
import { openReveals, type RevealRound } from './reveals.ts'

export interface RevealingComponents {
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly loop: Loop
  /** Asks the worker to reveal; its answer. */
  readonly ask: (campaign: Campaign, node: NodeId, leases: readonly LeaseId[]) => Promise<Uint8Array>
}

export interface RevealingInit {
  /** How long a worker that is not connected is tried again; one that is has the time of the policy. */
  readonly retryFor: Milliseconds
  readonly retryDelay: Milliseconds
}

/** Large outputs on their way to this node at once, of all workers together. Bytes. */
const FETCH_BUDGET_BYTES = 64 * 1024 * 1024
/** The slowest line that is waited for. Bytes a millisecond (1 Mbit/s). */
const SLOWEST_LINE = 125

/**
 * Asks workers to reveal and brings their outputs home: large ones one after the other for each worker, each journaled
 * before the next is fetched, within a budget for all. Time runs only while nothing arrives.
 */
export class Revealing {
  readonly #components: RevealingComponents
  readonly #init: RevealingInit
  readonly #budget = new Budget(FETCH_BUDGET_BYTES)

  constructor(components: RevealingComponents, init: RevealingInit) {
    this.#components = components
    this.#init = init
  }

  /** Never rejects: what cannot be had is reported as lost. */
  async reveal(campaign: Campaign, node: NodeId, batch: readonly LeaseId[]): Promise<void> {
    const { clock, timers, ask } = this.#components
    let left = batch
    let since = clock.monotonic()
    while (left.length > 0 && !campaign.abort.signal.aborted) {
      try {
        const round = openReveals(campaign, node, left, await ask(campaign, node, left))
        this.#lose(campaign, node, round.lost)
        if (round.shown.reveals.length > 0) this.#post(campaign, node, round, round.shown)
        const missing = await this.#fetchAll(campaign, node, round)
        const before = left.length
        left = [...round.left, ...missing.leases]
        if (left.length < before) since = clock.monotonic()
        else if (missing.error !== null) throw missing.error
        // A worker that gives nothing of what it was asked would otherwise be asked for ever.
        else if (before > 0) throw new AskeeError('compute/withheld', 'the worker revealed nothing')
      } catch (error) {
        const code = refusalCode(error)
        // The end of this node is not the worker's doing.
        if (code === 'mesh/stopped' || code === 'compute/stopped') return
        if (this.#isFinal(campaign, node, code, clock.monotonic() - since)) {
          const reason = this.#reasonOf(node, code)
          this.#lose(
            campaign,
            node,
            left.map((lease) => ({ lease, reason })),
          )
          return
        }
        await timers.sleep(this.#init.retryDelay, campaign.abort.signal).catch(() => undefined)
      }
    }
  }

  /** Whether it is of no use to ask again. */
  #isFinal(campaign: Campaign, node: NodeId, code: string, waited: Milliseconds): boolean {
    // A line or a disk that is full says nothing about the worker.
    if (code === 'compute/journal') return false
    if (code !== 'compute/busy' && !code.startsWith('mesh/')) return true
    const patience = this.#isConnected(node)
      ? campaign.state.config.policy.revealTimeout
      : this.#init.retryFor
    return waited >= patience
  }

  #reasonOf(node: NodeId, code: string): string {
    if (code === 'compute/busy') return 'mesh/rate-limited'
    if (code === 'compute/no-lease') return 'unknown-to-worker'
    if (code.startsWith('compute/')) return 'withheld'
    if (!code.startsWith('mesh/')) return code
    if (!this.#isConnected(node)) return 'mesh/unreachable'
    return code === 'mesh/not-found' || code === 'mesh/too-large' ? 'output-missing' : 'withheld'
  }

  #isConnected(node: NodeId): boolean {
    return this.#components.mesh.peers().includes(node)
  }

  /** The large outputs of one answer; those that were not fetched, and why not. */
  async #fetchAll(
    campaign: Campaign,
    node: NodeId,
    round: RevealRound,
  ): Promise<{ leases: LeaseId[]; error: unknown }> {
    const missing: { leases: LeaseId[]; error: unknown } = { leases: [], error: null }
    if (round.large.length === 0) return missing
    const { clock, loop, timers } = this.#components
    // Whoever delivers does not withhold, and what waits behind it is not withheld either.
    const progress = (): void => loop.post(campaign, { type: 'progressed', now: clock.now(), node })
    const { revealTimeout } = campaign.state.config.policy
    const stop = timers.every(Math.max(1, Math.floor(revealTimeout / 3)), progress)
    progress()
    let budget = REVEAL_OUTPUT_BYTES
    try {
      for (const reveal of round.large) {
        if (budget <= 0 || missing.error !== null || campaign.abort.signal.aborted) {
          missing.leases.push(reveal.lease)
          continue
        }
        try {
          budget -= await this.#fetch(campaign, node, round, reveal)
        } catch (error) {
          missing.leases.push(reveal.lease)
          missing.error = error
        }
      }
    } finally {
      stop()
    }
    return missing
  }

  /** Fetches and journals one output; its size. */
  #fetch(campaign: Campaign, node: NodeId, round: RevealRound, reveal: Reveal): Promise<number> {
    const { mesh, timers } = this.#components
    const maxBytes = campaign.signed.manifest.resources.outputBytes
    return this.#budget.use(maxBytes, async () => {
      const late = new AbortController()
      const allowed = campaign.state.config.policy.revealTimeout + maxBytes / SLOWEST_LINE
      const cancel = timers.after(allowed, () =>
        late.abort(new AskeeError('mesh/timeout', `the output did not arrive within ${allowed} ms`)),
      )
      try {
        const signal = AbortSignal.any([campaign.abort.signal, late.signal])
        const bytes = await mesh.getBlock(reveal.vote.output, { providers: [node], maxBytes, signal })
        // The time that a fetch takes is not held against what comes after it.
        await this.#feed(campaign, node, round, { reveals: [reveal], outputs: [bytes] })
        return bytes.byteLength
      } finally {
        cancel()
      }
    })
  }

  #feed(
    campaign: Campaign,
    node: NodeId,
    { document: bytes }: RevealRound,
    { reveals, outputs }: RevealRound['shown'],
  ): Promise<void> {
    const { loop, clock } = this.#components
    const document = digestOf(bytes)
    const attachments = { outputs, documents: [{ kind: 'receipts', bytes }] } as const
    return loop.feed(campaign, { type: 'revealed', now: clock.now(), node, document, reveals }, attachments)
  }

  #post(campaign: Campaign, node: NodeId, round: RevealRound, shown: RevealRound['shown']): void {
    this.#feed(campaign, node, round, shown).catch(() => undefined)
  }

  #lose(campaign: Campaign, node: NodeId, lost: readonly { lease: LeaseId; reason: string }[]): void {
    if (lost.length === 0 || campaign.abort.signal.aborted) return
    const losses = lost.map(({ lease, reason }) => ({ lease, node, reason }))
    this.#components.loop.post(campaign, { type: 'lost', now: this.#components.clock.now(), losses })
  }
}
