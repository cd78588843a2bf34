import type { NodeId } from '@askee/core'

/** `known`: of nodes with which this one has to do. Anybody can make strangers and declare them void. */
export type VoidTier = 'known' | 'strangers'

/** In memory as on disk; they fit a backup. */
export const MAX_KNOWN_VOIDS = 1000

/** Which identities are void, as far as this node remembers. */
export interface VoidIdentities {
  has(node: NodeId): boolean
  tierOf(node: NodeId): VoidTier | undefined
  /** The oldest first. */
  list(tier: VoidTier): readonly NodeId[]
}

export interface VoidSet extends VoidIdentities {
  /** @returns whether it was news */
  add(node: NodeId, tier: VoidTier): boolean
}

/** Each tier has room of its own, so that strangers displace nothing but strangers; the oldest goes first. */
export function createVoidSet(limits: Readonly<Record<VoidTier, number>>): VoidSet {
  const tiers: Readonly<Record<VoidTier, Set<NodeId>>> = { known: new Set(), strangers: new Set() }
  const has = (node: NodeId): boolean => tiers.known.has(node) || tiers.strangers.has(node)

  return {
    has,
    tierOf(node) {
      if (tiers.known.has(node)) return 'known'
      return tiers.strangers.has(node) ? 'strangers' : undefined
    },
    list: (tier) => [...tiers[tier]],
    add(node, tier) {
      const isNews = !has(node)
      // A stranger that turns out to be known moves up, and none moves down.
      if (!isNews && tier === 'strangers') return false
      tiers.strangers.delete(node)
      tiers[tier].add(node)
      if (tiers[tier].size > limits[tier]) {
        for (const oldest of tiers[tier]) {
          tiers[tier].delete(oldest)
          break
        }
      }
      return isNews
    },
  }
}
