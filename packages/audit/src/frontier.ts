import { type CompleteSubtrees, completedBy, EMPTY_ROOT, type Hash, nodeHash } from './merkle.ts'

/**
 * A Merkle tree that only grows: of each level the newest complete subtree, which is all that the next leaf and the root of
 * what is there need. 32 bytes a level, however large the tree.
 */
export class Frontier {
  readonly #newest: Hash[] = []
  readonly #subtrees: CompleteSubtrees = { at: (level) => this.#newest[level] as Hash }
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns the subtrees that this leaf completes: its own hash first, then upwards */
  add(leaf: Hash): Hash[] {
    const completed = completedBy(this.#size, leaf, this.#subtrees)
    for (const [level, hash] of completed.entries()) this.#newest[level] = hash
    this.#size++
    return completed
  }

  /** Root of all leaves so far. */
  root(): Hash {
    let root: Hash | undefined
    for (let level = 0, rest = this.#size; rest > 0; level++, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue
      const left = this.#newest[level] as Hash
      root = root === undefined ? left : nodeHash(left, root)
    }
    return root ?? EMPTY_ROOT
  }
}
