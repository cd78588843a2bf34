import type { NodeId } from '@askee/core'
import type { Database } from '@askee/store'

/** What a requester knows of a node's conduct, 0 to 1. A port: a trust package can take this place. */
export interface ReputationSource {
  of(node: NodeId): number
}

/** Quantile of the normal distribution for a two-sided confidence of 95 %. */
const Z = 1.96

/**
 * Lower bound of the Wilson score interval: what the share of agreement is at least, given how little was seen.
 * Nothing seen gives 0; ten of ten give 0.72. E. B. Wilson, "Probable Inference, the Law of Succession, and
 * Statistical Inference", 1927.
 */
export function wilsonLowerBound(agreed: number, decided: number): number {
  if (decided === 0) return 0
  const share = agreed / decided
  const z2 = (Z * Z) / decided
  const margin = Z * Math.sqrt((share * (1 - share) + z2 / 4) / decided)
  return Math.max(0, (share + z2 / 2 - margin) / (1 + z2))
}

/** The requester's own evidence: how often a node's votes agreed with the decision, over all its campaigns. */
export function createJournalReputation(database: Database): ReputationSource {
  const select = database.prepare('SELECT agreed, decided FROM conduct WHERE node = ?')
  return {
    of(node) {
      const row = select.get(node) as { agreed: number; decided: number } | undefined
      return row === undefined ? 0 : wilsonLowerBound(row.agreed, row.decided)
    },
  }
}
