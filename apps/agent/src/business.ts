import type { Requester } from '@askee/compute'
import type { Clock, Milliseconds, NodeId } from '@askee/core'

export interface BusinessComponents {
  readonly consents: {
    list(): readonly { readonly live: boolean; readonly manifest: { readonly requester: NodeId } }[]
  }
  readonly worker: { status(): { readonly leases: readonly { readonly requester: NodeId }[] } }
  readonly requester: Pick<Requester, 'onEvent'>
  readonly clock: Clock
}

/** Consents and leases are looked through again after so long, and not for each question. */
const LOOK_PERIOD: Milliseconds = 5000
/** Nodes remembered that work for this one; the one that got nothing for longest makes room. */
const MAX_WORKERS = 4096

/**
 * With whom this node has business: who holds a live consent of its owner, whose work it does, and whom it gave work to since
 * it started. Where places are short these come before strangers, whose names cost nothing.
 */
export function createBusiness({
  consents,
  worker,
  requester,
  clock,
}: BusinessComponents): (peer: NodeId) => boolean {
  const workers = new Set<NodeId>()
  requester.onEvent((event) => {
    if (event.type !== 'assigned') return
    workers.delete(event.node)
    workers.add(event.node)
    if (workers.size > MAX_WORKERS) workers.delete(workers.values().next().value as NodeId)
  })
  let requesters: ReadonlySet<NodeId> = new Set()
  let lookedAt = Number.NEGATIVE_INFINITY

  return (peer) => {
    if (workers.has(peer)) return true
    const now = clock.monotonic()
    if (now - lookedAt >= LOOK_PERIOD) {
      lookedAt = now
      requesters = new Set([
        ...consents.list().flatMap(({ live, manifest }) => (live ? [manifest.requester] : [])),
        ...worker.status().leases.map((lease) => lease.requester),
      ])
    }
    return requesters.has(peer)
  }
}
