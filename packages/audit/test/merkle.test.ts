import { fromHex, toHex } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Frontier } from '../src/frontier.ts'
import {
  type CompleteSubtrees,
  completedBy,
  consistencyProof,
  EMPTY_ROOT,
  type Hash,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../src/merkle.ts'

/** Leaves and roots published with the reference implementation of RFC 6962. */
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

class Tree implements CompleteSubtrees {
  readonly leaves: Hash[] = []
  readonly #levels: Hash[][] = []

  add(entry: Uint8Array): void {
    const index = this.leaves.length
    const leaf = leafHash(entry)
    this.leaves.push(leaf)
    for (const [level, hash] of completedBy(index, leaf, this).entries()) {
      this.#levels[level] ??= []
      this.#levels[level].push(hash)
    }
  }

  at(level: number, index: number): Hash {
    const hash = this.#levels[level]?.[index]
    if (hash === undefined) throw new RangeError(`no subtree ${level}/${index}`)
    return hash
  }
}

/** The recursive definition of the RFC, word for word. */
function definition(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return EMPTY_ROOT
  if (leaves.length === 1) return leaves[0] as Hash
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return nodeHash(definition(leaves.slice(0, k)), definition(leaves.slice(k)))
}

function treeOf(count: number): Tree {
  const tree = new Tree()
  for (let i = 0; i < count; i++) tree.add(Uint8Array.of(i & 255, i >> 8))
  return tree
}

describe('the Merkle tree', () => {
  it('AUD-1 has the published roots of RFC 6962', () => {
    const tree = new Tree()
    const roots = [toHex(rootOf(0, tree))]
    for (const [index, entry] of ENTRIES.entries()) {
      tree.add(fromHex(entry))
      roots.push(toHex(rootOf(index + 1, tree)))
    }
    expect(roots).toEqual(ROOTS)
  })

  it('AUD-1 has the same roots when only its frontier is held, for all sizes to 200', () => {
    const tree = treeOf(200)
    const frontier = new Frontier()
    for (let size = 0; size <= 200; size++) {
      expect([frontier.size, frontier.root()]).toEqual([size, rootOf(size, tree)])
      const leaf = tree.leaves[size]
      if (leaf !== undefined) expect(frontier.add(leaf)).toEqual(completedBy(size, leaf, tree))
    }
  })

  it('AUD-1 proves inclusion and consistency for all sizes to 200', () => {
    const tree = treeOf(200)
    const roots = Array.from({ length: 201 }, (_, size) => definition(tree.leaves.slice(0, size)))
    for (let size = 0; size <= 200; size++) {
      const root = rootOf(size, tree)
      expect(root).toEqual(roots[size])
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(index, size, tree)
        expect(verifyInclusion(tree.leaves[index] as Hash, index, size, proof, root)).toBe(true)
      }
      for (let first = 0; first <= size; first++) {
        const proof = consistencyProof(first, size, tree)
        expect(verifyConsistency(first, roots[first] as Hash, size, root, proof)).toBe(true)
      }
    }
  })

  it('AUD-1 refuses every proof that is changed, shortened, prolonged or for another place', () => {
    const tree = treeOf(130)
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 130 }), fc.nat(), fc.nat(), fc.nat(), (size, a, b, c) => {
        const index = a % size
        const root = rootOf(size, tree)
        const leaf = tree.leaves[index] as Hash
        const proof = inclusionProof(index, size, tree)
        const holds = (changed: readonly Hash[], at = index, n = size) =>
          verifyInclusion(leaf, at, n, changed, root)
        expect(holds(flipped(proof, b, c))).toBe(false)
        expect(holds(proof.slice(1))).toBe(false)
        expect(holds([...proof, leaf])).toBe(false)
        expect(holds(proof, (index + 1) % size)).toBe(false)
        const first = 1 + (b % (size - 1))
        const old = rootOf(first, tree)
        const growth = consistencyProof(first, size, tree)
        const grew = (changed: readonly Hash[], from = old, to = root) =>
          verifyConsistency(first, from, size, to, changed)
        expect(grew(growth)).toBe(true)
        expect(grew(flipped(growth, c, a))).toBe(false)
        expect(grew(growth.slice(0, -1))).toBe(false)
        expect(grew([...growth, leaf])).toBe(false)
        expect(grew(growth, flipped([old], 0, a)[0])).toBe(false)
        expect(grew(growth, old, flipped([root], 0, a)[0])).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('AUD-1 refuses what is out of range', () => {
    const tree = treeOf(4)
    expect(() => inclusionProof(4, 4, tree)).toThrow(expect.objectContaining({ code: 'audit/range' }))
    expect(() => inclusionProof(-1, 4, tree)).toThrow(expect.objectContaining({ code: 'audit/range' }))
    expect(() => consistencyProof(5, 4, tree)).toThrow(expect.objectContaining({ code: 'audit/range' }))
    const root = rootOf(4, tree)
    for (const bad of [-1, 4, 0.5, Number.NaN, 2 ** 60]) {
      expect(verifyInclusion(tree.leaves[0] as Hash, bad, 4, inclusionProof(0, 4, tree), root)).toBe(false)
    }
  })
})

/** One bit changed, somewhere. */
function flipped(proof: readonly Hash[], which: number, bit: number): Hash[] {
  const changed = proof.map((hash) => Uint8Array.from(hash))
  const hash = changed[which % changed.length] as Hash
  hash[bit % 32] = (hash[bit % 32] as number) ^ (1 << (bit % 8))
  return changed
}
