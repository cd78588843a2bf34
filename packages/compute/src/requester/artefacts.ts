import type { Digest, NodeId, Timestamp } from '@askee/core'
import type { Campaign } from './campaign.ts'

/** Which running campaigns a block belongs to, as module, list of inputs or input. */
export class Artefacts {
  readonly #owners = new Map<Digest, readonly Campaign[]>()

  add(campaign: Campaign): void {
    for (const digest of artefactsOf(campaign)) {
      this.#owners.set(digest, [...(this.#owners.get(digest) ?? []), campaign])
    }
  }

  remove(campaign: Campaign): void {
    for (const digest of artefactsOf(campaign)) {
      const left = (this.#owners.get(digest) ?? []).filter((owner) => owner !== campaign)
      if (left.length === 0) this.#owners.delete(digest)
      else this.#owners.set(digest, left)
    }
  }

  clear(): void {
    this.#owners.clear()
  }

  /** Whether `peer` works, under a live consent, for a running campaign that the block belongs to. */
  isFor(peer: NodeId, digest: Digest, now: Timestamp): boolean {
    return (this.#owners.get(digest) ?? []).some(({ state }) => {
      const node = Object.hasOwn(state.nodes, peer) ? state.nodes[peer] : undefined
      return state.phase === 'running' && node?.present && !node.accused && now < node.consentExpires
    })
  }
}

function artefactsOf({ signed: { manifest }, inputs }: Campaign): ReadonlySet<Digest> {
  return new Set([manifest.module, manifest.inputs, ...inputs])
}
