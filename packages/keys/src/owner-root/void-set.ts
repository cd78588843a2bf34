import type { NodeId } from '@askee/core'

/** `known`: of nodes that the owner let in, and those told here. Anybody can make strangers and declare them void. */
export type VoidTier = 'known' | 'strangers'

/** In memory as on disk; they fit a backup. */
export const MAX_KNOWN_VOIDS = 1000
/** Told here by a person: the last ones, who has some machines. They have their places among the known for good. */
export const MAX_TOLD_VOIDS = 32

/** Which identities are void, as far as this node remembers. */
export interface VoidIdentities {
  has(node: NodeId): boolean
  tierOf(node: NodeId): VoidTier | undefined
  /** The oldest first. */
  list(tier: VoidTier): readonly NodeId[]
}

export interface VoidSet extends VoidIdentities {
  /**
   * @param as `told`: known, and nothing that comes in displaces it but later ones told
   * @returns whether it was news
   */
  add(node: NodeId, as: VoidTier | 'told'): boolean
}

/** Each tier has room of its own, so that strangers displace nothing but strangers; the oldest goes first. */
export function createVoidSet(limits: Readonly<Record<VoidTier, number>>): VoidSet {
  const tiers: Readonly<Record<VoidTier, Set<NodeId>>> = { known: new Set(), strangers: new Set() }
  const told = new Set<NodeId>()
  const has = (node: NodeId): boolean => tiers.known.has(node) || tiers.strangers.has(node)

  return {
    has,
    tierOf(node) {
      if (tiers.known.has(node)) return 'known'
      return tiers.strangers.has(node) ? 'strangers' : undefined
    },
    list: (tier) => [...tiers[tier]],
    add(node, as) {
      const isNews = !has(node)
      const tier = as === 'told' ? 'known' : as
      // A stranger that turns out to be known moves up, and none moves down.
      if (!isNews && tier === 'strangers') return false
      tiers.strangers.delete(node)
      tiers[tier].add(node)
      if (as === 'told') {
        told.delete(node)
        told.add(node)
        if (told.size > MAX_TOLD_VOIDS) told.delete(told.values().next().value as NodeId)
      }
      if (tiers[tier].size > limits[tier]) {
        for (const oldest of tiers[tier]) {
          if (told.has(oldest)) continue
          tiers[tier].delete(oldest)
          break
        }
      }
      return isNews
    },
  }
}
