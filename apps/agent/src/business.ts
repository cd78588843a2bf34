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

/** With whom this node has business. Where places are short these come before strangers, whose names cost nothing. */
export interface Business {
  /** Whom the owner let in: it holds a live consent, or its work is done here. */
  isAdmitted(peer: NodeId): boolean
  /** Admitted, or it was given work since this node started: to take an offer takes nothing but a name. */
  isKnown(peer: NodeId): boolean
}

export function createBusiness({ consents, worker, requester, clock }: BusinessComponents): Business {
  const workers = new Set<NodeId>()
  requester.onEvent((event) => {
    if (event.type !== 'assigned') return
    workers.delete(event.node)
    workers.add(event.node)
    if (workers.size > MAX_WORKERS) workers.delete(workers.values().next().value as NodeId)
  })
  let requesters: ReadonlySet<NodeId> = new Set()
  let lookedAt = Number.NEGATIVE_INFINITY

  const isAdmitted = (peer: NodeId): boolean => {
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
  return { isAdmitted, isKnown: (peer) => workers.has(peer) || isAdmitted(peer) }
}
