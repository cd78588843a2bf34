import type { Clock, Logger, NodeId } from '@askee/core'
import { BLOCK_MS, MAX_BLOCKED_PEERS, OFFENCE_DECAY_PER_SECOND, OFFENCE_LIMIT } from './defaults.ts'

/**
 * A leaky bucket of points for every peer. One that fills it is disconnected and kept out for a while:
 * malformed frames, floods and lies cost the sender, not us.
 */
export class Offences {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #points = new Map<NodeId, { points: number; at: number }>()
  readonly #blockedUntil = new Map<NodeId, number>()
  #disconnect: (peer: NodeId) => void = () => {}

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /** Says how a peer is disconnected. */
  onBlock(disconnect: (peer: NodeId) => void): void {
    this.#disconnect = disconnect
  }

  /** @param points see OFFENCE_* in defaults.ts */
  note(peer: NodeId, points: number, reason: string): void {
    const now = this.#clock.monotonic()
    const held = this.#points.get(peer) ?? { points: 0, at: now }
    held.points = Math.max(0, held.points - ((now - held.at) / 1000) * OFFENCE_DECAY_PER_SECOND) + points
    held.at = now
    keepNewest(this.#points, peer, held)
    if (held.points < OFFENCE_LIMIT || this.isBlocked(peer)) return
    this.#points.delete(peer)
    keepNewest(this.#blockedUntil, peer, now + BLOCK_MS)
    this.#logger.warn({ peer, reason }, 'peer blocked for its offences')
    this.#disconnect(peer)
  }

  isBlocked(peer: NodeId): boolean {
    const until = this.#blockedUntil.get(peer)
    if (until === undefined) return false
    if (until > this.#clock.monotonic()) return true
    this.#blockedUntil.delete(peer)
    return false
  }
}

/** Sets an entry as the newest, dropping the oldest above the cap. */
function keepNewest<V>(map: Map<NodeId, V>, peer: NodeId, value: V): void {
  map.delete(peer)
  map.set(peer, value)
  if (map.size > MAX_BLOCKED_PEERS) map.delete(map.keys().next().value as NodeId)
}
