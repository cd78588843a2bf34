import type { NodeId } from '@askee/core'
import { FAIR_INFLOW_BYTES, MAX_INFLOW_BYTES, MAX_PEER_INFLOW_BYTES } from '../defaults.ts'

/** Bytes of requests that are arriving or being answered: for every peer, over all its streams, and in all. */
export class Inflow {
  readonly #held = new Map<NodeId, number>()
  #total = 0

  /** Takes room for a request; the returned function gives it back, once. Undefined: there is none. */
  take(peer: NodeId, bytes: number): (() => void) | undefined {
    const held = this.#held.get(peer) ?? 0
    if (held > 0 && held + bytes > MAX_PEER_INFLOW_BYTES) return undefined
    if (this.#total + bytes > MAX_INFLOW_BYTES && held + bytes > FAIR_INFLOW_BYTES) return undefined
    this.#held.set(peer, held + bytes)
    this.#total += bytes
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      const left = (this.#held.get(peer) ?? 0) - bytes
      if (left > 0) this.#held.set(peer, left)
      else this.#held.delete(peer)
      this.#total -= bytes
    }
  }
}
