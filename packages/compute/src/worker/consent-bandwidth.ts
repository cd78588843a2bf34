import type { ConsentGate } from '@askee/consent'
import type { Clock, Milliseconds, NodeId, Timers } from '@askee/core'
import { BandwidthShare, type Urgency } from './bandwidth-share.ts'

export interface ConsentBandwidthComponents {
  readonly consents: Pick<ConsentGate, 'limitsOf'>
  readonly clock: Clock
  readonly timers: Timers
}

/** What carries a byte takes of the line too: TCP, IP, Noise and yamux come to 5 to 7 %, sessions to some hundred bytes a message. */
const CARRIER_SHARE = 1.08
const CARRIER_BYTES = 512

/**
 * The line of each consent (CON-2): all that is fetched from its requester or sent to it, both directions together, waits
 * until the consent's rate allows it. No consent waits for another.
 */
export class ConsentBandwidth {
  readonly #components: ConsentBandwidthComponents
  readonly #shares = new Map<string, BandwidthShare>()

  constructor(components: ConsentBandwidthComponents) {
    this.#components = components
  }

  /** Whether anything may travel at all. */
  isOpen(token: string): boolean {
    const limits = this.#components.consents.limitsOf(token)
    return limits === undefined || limits.bytesPerSecond > 0
  }

  /**
   * Resolves when a message of so many bytes may travel.
   * @throws AskeeError `mesh/rate-limited` when that takes longer than `within`, or the signal's reason
   */
  async take(
    token: string,
    bytes: number,
    urgency: Urgency,
    limit: { readonly signal?: AbortSignal; readonly within?: Milliseconds } = {},
  ): Promise<void> {
    await this.#shareOf(token)?.take(onTheLine(bytes), urgency, limit)
  }

  /** The same for a message that came from `from`, and its answer; a consent that is not for it does not pay for it. */
  async takeOf(from: NodeId, token: string, bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#components.consents.limitsOf(token)?.requester !== from) return
    await this.take(token, bytes, 'message', { signal })
  }

  /** Of a message that was waited for as one of `taken` bytes only so many came, or more. */
  correct(token: string, taken: number, came: number): void {
    const share = this.#shareOf(token)
    const more = onTheLine(came) - onTheLine(taken)
    if (more > 0) share?.owe(more)
    else share?.giveBack(-more)
  }

  /** None for what is not held here: then no gate is open for it either. */
  #shareOf(token: string): BandwidthShare | undefined {
    const limits = this.#components.consents.limitsOf(token)
    if (limits === undefined) return undefined
    let share = this.#shares.get(limits.consent)
    if (share === undefined) {
      share = new BandwidthShare(this.#components, limits.bytesPerSecond)
      this.#shares.set(limits.consent, share)
    } else share.bytesPerSecond = limits.bytesPerSecond
    return share
  }
}

function onTheLine(bytes: number): number {
  return Math.ceil(bytes * CARRIER_SHARE) + CARRIER_BYTES
}
