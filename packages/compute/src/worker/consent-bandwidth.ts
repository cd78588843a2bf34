import type { ConsentGate } from '@askee/consent'
import type { Clock, Milliseconds, NodeId, Timers } from '@askee/core'
import { BandwidthShare, type Urgency } from './bandwidth-share.ts'

export interface ConsentBandwidthComponents {
  readonly consents: Pick<ConsentGate, 'limitsOf' | 'hasEnded'>
  readonly clock: Clock
  readonly timers: Timers
}

/** What carries a byte takes of the line too: TCP, IP, Noise and yamux come to 5 to 7 %, sessions to some hundred bytes a message. */
const CARRIER_SHARE = 1.08
const CARRIER_BYTES = 512

/** One consent's. */
interface Line {
  readonly share: BandwidthShare
  readonly requester: NodeId
  /** Any token of the consent. */
  readonly token: string
}

/**
 * The line of each consent (CON-2): all that is fetched from its requester or sent to it, both directions together, waits
 * until the consent's rate allows it. No consent waits for another.
 */
export class ConsentBandwidth {
  readonly #components: ConsentBandwidthComponents
  readonly #lines = new Map<string, Line>()

  constructor(components: ConsentBandwidthComponents) {
    this.#components = components
  }

  /** Lines that are counted. */
  get size(): number {
    return this.#lines.size
  }

  /** Forgets the lines of consents that have ended, as soon as nothing is owed or waits there. */
  prune(): void {
    for (const [consent, { share, token }] of this.#lines) {
      const hasEnded = this.#components.consents.hasEnded?.(token) ?? false
      if (hasEnded && share.isFresh) this.#lines.delete(consent)
    }
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

  /**
   * A message of so many bytes came from `from`, whatever is done about it: all else of that consent waits for it.
   * @param token what it cites; one that is not for `from` does not pay, but another that is
   */
  came(from: NodeId, token: string | undefined, bytes: number): void {
    this.#shareFor(from, token)?.owe(onTheLine(bytes))
  }

  /** Resolves when the answer to such a message, so many bytes, may travel. */
  async takeOf(from: NodeId, token: string | undefined, bytes: number, signal: AbortSignal): Promise<void> {
    await this.#shareFor(from, token)?.take(Math.ceil(bytes * CARRIER_SHARE), 'message', { signal })
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
    let line = this.#lines.get(limits.consent)
    if (line === undefined) {
      const share = new BandwidthShare(this.#components, limits.bytesPerSecond)
      line = { share, requester: limits.requester, token }
      this.#lines.set(limits.consent, line)
    } else line.share.bytesPerSecond = limits.bytesPerSecond
    return line.share
  }

  #shareFor(from: NodeId, token: string | undefined): BandwidthShare | undefined {
    const { consents } = this.#components
    if (token !== undefined && consents.limitsOf(token)?.requester === from) return this.#shareOf(token)
    for (const line of this.#lines.values()) {
      if (line.requester === from && !(consents.hasEnded?.(line.token) ?? false))
        return this.#shareOf(line.token)
    }
    return undefined
  }
}

function onTheLine(bytes: number): number {
  return Math.ceil(bytes * CARRIER_SHARE) + CARRIER_BYTES
}
