import type { Clock, NodeId, ProtocolLimits } from '@askee/core'

/** Peers whose use of one protocol is remembered; a peer forgotten starts with a full bucket. */
const MAX_TRACKED_PEERS = 4096

export interface BucketSize {
  /** Tokens a second. */
  readonly perSecond: number
  /** Tokens at most, and at first. */
  readonly burst: number
}

/** A token bucket for every peer. */
export class TokenBuckets {
  readonly #size: BucketSize
  readonly #clock: Clock
  readonly #buckets = new Map<NodeId, { tokens: number; at: number }>()

  constructor(size: BucketSize, clock: Clock) {
    this.#size = size
    this.#clock = clock
  }

  /** Takes `tokens`, or nothing when there are fewer. */
  take(peer: NodeId, tokens = 1): boolean {
    const now = this.#clock.monotonic()
    const { perSecond, burst } = this.#size
    const bucket = this.#buckets.get(peer) ?? { tokens: burst, at: now }
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond)
    bucket.at = now
    // The one used longest ago goes first: it has had the most time to fill.
    this.#buckets.delete(peer)
    this.#buckets.set(peer, bucket)
    if (this.#buckets.size > MAX_TRACKED_PEERS) {
      this.#buckets.delete(this.#buckets.keys().next().value as NodeId)
    }
    if (bucket.tokens < tokens) return false
    bucket.tokens -= tokens
    return true
  }
}

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
