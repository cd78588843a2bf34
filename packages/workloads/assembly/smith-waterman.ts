/**
 * Best local alignment score of protein pairs: Smith–Waterman with affine gaps (O. Gotoh, J. Mol. Biol. 162, 1982)
 * and BLOSUM62. A gap of k residues costs open + (k − 1) · extend, as in EMBOSS `water`.
 * Input: u32 open and u32 extend in halves of a score unit, u32 pairs, then for each pair u32 length and letters of
 * the one sequence, u32 length and letters of the other.
 * Output: one line a pair, the score with one decimal.
 */
import { DONE, MORE, Reader, require, writeText } from './kit'
import { encodeResidues, score } from './lib/blosum62'

/** Cells of the alignment matrix after which `step` pauses: some milliseconds. */
const CELLS_A_STEP = 1_000_000
const LARGEST_LENGTH: u32 = 40_000
const LARGEST_GAP: u32 = 10_000
/** Below every score that occurs, far from overflow. */
const NEVER: i32 = i32.MIN_VALUE / 2

let input: Reader | null = null
let gapOpen: i32 = 0
let gapExtend: i32 = 0
let pairsLeft: u32 = 0
let output = ''

// The pair at hand: one row of the matrix a residue of `a`, one column a residue of `b`.
let a: StaticArray<u8> = new StaticArray<u8>(0)
let b: StaticArray<u8> = new StaticArray<u8>(0)
let row: i32 = 0
let best: i32 = 0
/** Best score of an alignment that ends in the row above at this column; with a gap in `b` in `gapAbove`. */
let above: StaticArray<i32> = new StaticArray<i32>(0)
let gapAbove: StaticArray<i32> = new StaticArray<i32>(0)

export function step(): i32 {
  if (!input) start()
  let cells = 0
  while (cells < CELLS_A_STEP) {
    if (row < a.length) {
      alignRow(unchecked(a[row++]))
      cells += b.length
      if (row == a.length) output += formatHalves(best) + '\n'
    } else if (pairsLeft > 0) {
      pairsLeft--
      nextPair()
      cells += 1
    } else {
      writeText(output)
      return DONE
    }
  }
  return MORE
}

function start(): void {
  const reader = new Reader()
  const open = reader.u32()
  const extend = reader.u32()
  require(extend <= open && open <= LARGEST_GAP)
  gapOpen = open
  gapExtend = extend
  pairsLeft = reader.u32()
  input = reader
}

function nextPair(): void {
  a = sequence()
  b = sequence()
  row = 0
  best = 0
  above = new StaticArray<i32>(b.length + 1)
  gapAbove = new StaticArray<i32>(b.length + 1)
  for (let j = 0; j <= b.length; j++) unchecked((gapAbove[j] = NEVER))
}

function sequence(): StaticArray<u8> {
  const reader = input!
  const length = reader.u32()
  require(length >= 1 && length <= LARGEST_LENGTH)
  const residues = reader.byteArray(length)
  encodeResidues(residues)
  return residues
}

function alignRow(residue: u8): void {
  const columns = b.length
  const previous = above
  const gapsInB = gapAbove
  let diagonal = 0
  let left = 0
  let gapInA = NEVER
  let highest = best
  for (let j = 1; j <= columns; j++) {
    const up = unchecked(previous[j])
    const gapInB = max(up - gapOpen, unchecked(gapsInB[j]) - gapExtend)
    gapInA = max(left - gapOpen, gapInA - gapExtend)
    // The matrix is in whole units, the gaps in halves.
    const match = diagonal + 2 * score(residue, unchecked(b[j - 1]))
    left = max(max(match, 0), max(gapInA, gapInB))
    unchecked((previous[j] = left))
    unchecked((gapsInB[j] = gapInB))
    diagonal = up
    highest = max(highest, left)
  }
  best = highest
}

function formatHalves(halves: i32): string {
  return (halves >> 1).toString() + (halves & 1 ? '.5' : '.0')
}
