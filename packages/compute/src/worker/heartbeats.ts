import type { LeaseId, Mesh, Milliseconds, NodeId } from '@askee/core'
import type { ConsentBandwidth } from './consent-bandwidth.ts'
import { heartbeatBytes, sendHeartbeat } from './heartbeat.ts'
import type { WorkerLease } from './state.ts'

export interface HeartbeatsComponents {
  readonly mesh: Mesh
  readonly bandwidth: ConsentBandwidth
  readonly isHeld: (lease: LeaseId) => boolean
  /** Told of leases that the requester wants to hear no more of. */
  readonly onDrop: (requester: NodeId, leases: readonly LeaseId[]) => void
}

/** Tells every requester of its leases, under each consent apart: one heartbeat at a time, of what is held when it leaves. */
export class Heartbeats {
  readonly #components: HeartbeatsComponents
  readonly #timeout: Milliseconds
  /** Consents whose last one is not answered yet, or waits for its line. */
  readonly #underway = new Set<string>()

  constructor(components: HeartbeatsComponents, init: { readonly requestTimeout: Milliseconds }) {
    this.#components = components
    this.#timeout = init.requestTimeout
  }

  beat(leases: readonly WorkerLease[], signal: AbortSignal): void {
    for (const [consent, own] of Map.groupBy(leases, (lease) => lease.consent)) {
      if (this.#underway.has(consent)) continue
      this.#underway.add(consent)
      void this.#send(consent, own, signal).finally(() => this.#underway.delete(consent))
    }
  }

  /** Never rejects. A consent has one requester. */
  async #send(consent: string, leases: readonly WorkerLease[], signal: AbortSignal): Promise<void> {
    const { mesh, bandwidth, isHeld, onDrop } = this.#components
    try {
      await bandwidth.take(consent, heartbeatBytes(leases.length), 'message', { signal })
    } catch {
      return
    }
    const held = leases.filter(({ id }) => isHeld(id))
    const [first] = held
    if (first === undefined) return
    onDrop(
      first.requester,
      await sendHeartbeat(mesh, first.requester, held, { timeout: this.#timeout, signal }),
    )
  }
}
