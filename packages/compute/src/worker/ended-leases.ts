import type { LeaseId, NodeId } from '@askee/core'

/** Leases that were ended here for want of consent, remembered. */
const KEPT = 4096

/**
 * Why leases were ended for want of consent. The word of it and the requester's question for the result cross on their
 * way; the answer to that question must not be that nothing is known, which counts as a failure of this node.
 */
export class EndedLeases {
  readonly #codes = new Map<LeaseId, { readonly requester: NodeId; readonly code: string }>()
  readonly #requesters = new Set<NodeId>()

  add(lease: LeaseId, requester: NodeId, code: string): void {
    if (!code.startsWith('consent/')) return
    this.#codes.set(lease, { requester, code })
    this.#requesters.add(requester)
    if (this.#codes.size <= KEPT) return
    this.#codes.clear()
    this.#requesters.clear()
  }

  /** Whether a lease of this requester was ended. Constant time. */
  has(requester: NodeId): boolean {
    return this.#requesters.has(requester)
  }

  /** Those of the leases that were `requester`'s, each with its code. */
  among(leases: readonly LeaseId[], requester: NodeId): { lease: LeaseId; code: string }[] {
    return leases.flatMap((lease) => {
      const ended = this.#codes.get(lease)
      return ended?.requester === requester ? [{ lease, code: ended.code }] : []
    })
  }
}
