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

/** Tells every requester of its leases, under each consent apart, of what is held when the word leaves. */
export class Heartbeats {
  readonly #components: HeartbeatsComponents
  readonly #timeout: Milliseconds
  /** Consents whose last one still waits for its line. */
  readonly #waiting = new Set<string>()

  constructor(components: HeartbeatsComponents, init: { readonly requestTimeout: Milliseconds }) {
    this.#components = components
    this.#timeout = init.requestTimeout
  }

  beat(leases: readonly WorkerLease[], signal: AbortSignal): void {
    for (const [consent, own] of Map.groupBy(leases, (lease) => lease.consent)) {
      if (!this.#waiting.has(consent)) void this.#send(consent, own, signal)
    }
  }

  /** Never rejects. A consent has one requester. */
  async #send(consent: string, leases: readonly WorkerLease[], signal: AbortSignal): Promise<void> {
    const { mesh, bandwidth, isHeld, onDrop } = this.#components
    this.#waiting.add(consent)
    try {
      await bandwidth.take(consent, heartbeatBytes(leases.length), 'message', { signal })
    } catch {
      return
    } finally {
      this.#waiting.delete(consent)
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
