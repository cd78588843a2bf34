import { createHash } from 'node:crypto'
import { AskeeError, bytesEqual } from '@askee/core'

/** A SHA-256, 32 bytes. */
export type Hash = Uint8Array

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

export const EMPTY_ROOT: Hash = sha256()

/** MTH of one entry (RFC 6962, section 2.1). */
export function leafHash(entry: Uint8Array): Hash {
  return sha256(LEAF, entry)
}

export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(NODE, left, right)
}

function sha256(...parts: readonly Uint8Array[]): Hash {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/**
 * The hashes of complete subtrees: level 0 is the leaves, `at(l, i)` covers leaves i·2^l to (i+1)·2^l − 1. A tree of n
 * leaves has one of them for each i < floor(n / 2^l).
 */
export interface CompleteSubtrees {
  at(level: number, index: number): Hash
}

/** The complete subtrees that come into being with leaf number `index`: its own hash first, then upwards. */
export function completedBy(index: number, leaf: Hash, subtrees: CompleteSubtrees): Hash[] {
  const completed = [leaf]
  for (let level = 0, at = index; at % 2 === 1; level++, at = (at - 1) / 2) {
    completed.push(nodeHash(subtrees.at(level, at - 1), completed[level] as Hash))
  }
  return completed
}

/** Root of the first `size` leaves; O(log size) hashes are read. */
export function rootOf(size: number, subtrees: CompleteSubtrees): Hash {
  checkSize(size)
  return size === 0 ? EMPTY_ROOT : rangeHash(0, size, subtrees)
}

/** Hash of the leaves from `start`, a multiple of the least power of two that is not less than `count`. */
function rangeHash(start: number, count: number, subtrees: CompleteSubtrees): Hash {
  const level = Math.log2(count)
  if (Number.isInteger(level)) return subtrees.at(level, start / count)
  const left = greatestPowerBelow(count)
  return nodeHash(rangeHash(start, left, subtrees), rangeHash(start + left, count - left, subtrees))
}

/**
 * PATH(index, D[size]) of RFC 6962, section 2.1.1: from the leaf's sibling to the top.
 * @throws AskeeError `audit/range`
 */
export function inclusionProof(index: number, size: number, subtrees: CompleteSubtrees): Hash[] {
  checkSize(size)
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) {
    throw new AskeeError('audit/range', `expected an entry below ${size}, received ${index}`)
  }
  return path(index, 0, size, subtrees)
}

function path(index: number, start: number, count: number, subtrees: CompleteSubtrees): Hash[] {
  if (count === 1) return []
  const left = greatestPowerBelow(count)
  return index < left
    ? [...path(index, start, left, subtrees), rangeHash(start + left, count - left, subtrees)]
    : [...path(index - left, start + left, count - left, subtrees), rangeHash(start, left, subtrees)]
}

/**
 * PROOF(first, D[second]) of RFC 6962, section 2.1.2: that the first tree is the beginning of the second.
 * @throws AskeeError `audit/range`
 */
export function consistencyProof(first: number, second: number, subtrees: CompleteSubtrees): Hash[] {
  checkSize(second)
  if (!(Number.isSafeInteger(first) && first >= 0 && first <= second)) {
    throw new AskeeError('audit/range', `expected a size of at most ${second}, received ${first}`)
  }
  return first === 0 || first === second ? [] : subproof(first, 0, second, subtrees, 'known')
}

/** @param root whether the verifier knows the root of this subtree: it is the first tree itself */
function subproof(
  first: number,
  start: number,
  count: number,
  subtrees: CompleteSubtrees,
  root: 'known' | 'unknown',
): Hash[] {
  if (first === count) return root === 'known' ? [] : [rangeHash(start, count, subtrees)]
  const left = greatestPowerBelow(count)
  return first <= left
    ? [...subproof(first, start, left, subtrees, root), rangeHash(start + left, count - left, subtrees)]
    : [
        ...subproof(first - left, start + left, count - left, subtrees, 'unknown'),
        rangeHash(start, left, subtrees),
      ]
}

/** Longest proof of a tree of 2^53 leaves. */
export const MAX_PROOF_HASHES = 64

/** Whether `leaf` is entry `index` of the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2). */
export function verifyInclusion(
  leaf: Hash,
  index: number,
  size: number,
  proof: readonly Hash[],
  root: Hash,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || proof.length > MAX_PROOF_HASHES) return false
  let at = index
  let last = size - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash)
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)]
    } else {
      hash = nodeHash(hash, sibling)
    }
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && bytesEqual(hash, root)
}

/** Whether the tree of `first` leaves is the beginning of that of `second` (RFC 9162, section 2.1.4.2). */
export function verifyConsistency(
  first: number,
  firstRoot: Hash,
  second: number,
  secondRoot: Hash,
  proof: readonly Hash[],
): boolean {
  if (!isSize(first) || !isSize(second) || first > second || proof.length > MAX_PROOF_HASHES) return false
  if (first === second) return proof.length === 0 && bytesEqual(firstRoot, secondRoot)
  if (first === 0) return proof.length === 0 && bytesEqual(firstRoot, EMPTY_ROOT)
  const whole = Number.isInteger(Math.log2(first)) ? [firstRoot, ...proof] : [...proof]
  const [begin, ...rest] = whole
  if (begin === undefined) return false
  let at = first - 1
  let last = second - 1
  while (at % 2 === 1) [at, last] = [(at - 1) / 2, Math.floor(last / 2)]
  let old = begin
  let now = begin
  for (const sibling of rest) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      old = nodeHash(sibling, old)
      now = nodeHash(sibling, now)
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)]
    } else {
      now = nodeHash(now, sibling)
    }
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && bytesEqual(old, firstRoot) && bytesEqual(now, secondRoot)
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function checkSize(size: number): void {
  if (!isSize(size)) throw new AskeeError('audit/range', `expected a tree's size, received ${size}`)
}

/** The greatest power of two below `count`, which is at least 2. */
function greatestPowerBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}
