import type { LeaseId, Milliseconds, NodeId } from '@askee/core'

interface WatchedLease {
  readonly node: NodeId
  heard: number
  readonly expires: number
  /** `unknown`: handed out before a restart, and the worker may never have got it. */
  delivery: 'sent' | 'unknown'
}

/** Watches leases between assignment and commitment. Fed by heartbeats, which are not journaled. */
export interface LivenessState {
  readonly leases: Map<LeaseId, WatchedLease>
  readonly silence: Milliseconds
}

export interface LivenessLoss {
  readonly lease: LeaseId
  readonly node: NodeId
  readonly reason: 'silent' | 'expired' | 'undelivered'
}

/** @param silence time without a word about a lease after which it is lost; a few heartbeats */
export function initialLiveness(silence: Milliseconds): LivenessState {
  return { leases: new Map(), silence }
}

/**
 * A lease was handed out. Times are monotonic.
 * @param delivery `unknown` for a lease from before a restart: it may have been journaled and never sent
 */
export function watch(
  state: LivenessState,
  lease: LeaseId,
  node: NodeId,
  now: number,
  expires: number,
  delivery: WatchedLease['delivery'] = 'sent',
): void {
  state.leases.set(lease, { node, heard: now, expires, delivery })
}

/** The lease committed or ended. */
export function unwatch(state: LivenessState, lease: LeaseId): void {
  state.leases.delete(lease)
}

/** A heartbeat listed these leases; those of other nodes are not touched. */
export function heard(state: LivenessState, node: NodeId, leases: readonly LeaseId[], now: number): void {
  for (const id of leases) {
    const lease = state.leases.get(id)
    if (lease?.node !== node) continue
    lease.heard = now
    lease.delivery = 'sent'
  }
}

/** Leases that are lost by now; each is reported once. */
export function check(state: LivenessState, now: number): LivenessLoss[] {
  const lost: LivenessLoss[] = []
  for (const [lease, { node, heard: last, expires, delivery }] of state.leases) {
    if (now < expires && now - last < state.silence) continue
    state.leases.delete(lease)
    const reason = delivery === 'unknown' ? 'undelivered' : now >= expires ? 'expired' : 'silent'
    lost.push({ lease, node, reason })
  }
  return lost
}
