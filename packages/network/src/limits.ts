import type { Clock, NodeId, ProtocolLimits } from '@askee/core'

/** Peers whose use of one protocol is remembered; a peer forgotten starts with a full bucket. */
const MAX_TRACKED_PEERS = 4096

interface Use {
  tokens: number
  at: number
  running: number
}

/** Who may use one protocol how much: a token bucket and a count of running requests for every peer. */
export class ProtocolUse {
  readonly #limits: ProtocolLimits
  readonly #clock: Clock
  readonly #uses = new Map<NodeId, Use>()

  constructor(limits: ProtocolLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  /** Takes a token and a place; the returned function gives the place back. Undefined: above the limits. */
  enter(peer: NodeId): (() => void) | undefined {
    const now = this.#clock.monotonic()
    const use = this.#uses.get(peer) ?? this.#add(peer, now)
    const { burst, ratePerSecond, concurrency } = this.#limits
    use.tokens = Math.min(burst, use.tokens + ((now - use.at) / 1000) * ratePerSecond)
    use.at = now
    if (use.tokens < 1 || use.running >= concurrency) return undefined
    use.tokens--
    use.running++
    return () => {
      use.running--
    }
  }

  #add(peer: NodeId, now: number): Use {
    if (this.#uses.size >= MAX_TRACKED_PEERS) {
      for (const [old, use] of this.#uses) {
        if (use.running > 0) continue
        this.#uses.delete(old)
        break
      }
    }
    const use: Use = { tokens: this.#limits.burst, at: now, running: 0 }
    this.#uses.set(peer, use)
    return use
  }
}
