/**
 * Counts the ways to complete given beginnings to n queens that do not attack one another (bit-mask
 * backtracking, M. Richards, 1997). The tree of each beginning is independent of all others.
 * Input: u32 n (1 to 24), u32 rows in each beginning, u32 number of beginnings, then the columns of each beginning
 * as u8. Output: the number of solutions in decimal digits.
 */
import { DONE, MORE, Reader, require, writeText } from './kit'

/** Boards visited after which `step` pauses: some milliseconds. */
const BOARDS_A_STEP = 500_000
const LARGEST_N = 24

let input: Reader | null = null
let n: i32 = 0
let prefixRows: i32 = 0
let beginningsLeft: u32 = 0
let solutions: u64 = 0

// The search stack, one entry a row: squares under attack in that row, and those still to be tried.
const columns = new StaticArray<u32>(LARGEST_N + 1)
const rising = new StaticArray<u32>(LARGEST_N + 1)
const falling = new StaticArray<u32>(LARGEST_N + 1)
const open = new StaticArray<u32>(LARGEST_N + 1)
/** Row being searched; below `prefixRows` when the beginning is exhausted, or attacks itself. */
let row: i32 = -1

export function step(): i32 {
  if (!input) start()
  let boards = BOARDS_A_STEP
  while (boards > 0) {
    if (row < prefixRows) {
      if (beginningsLeft == 0) {
        writeText(solutions.toString())
        return DONE
      }
      beginningsLeft--
      placeBeginning()
    } else {
      boards = search(boards)
    }
  }
  return MORE
}

function start(): void {
  const reader = new Reader()
  n = reader.u32()
  prefixRows = reader.u32()
  beginningsLeft = reader.u32()
  require(n >= 1 && n <= LARGEST_N && prefixRows >= 0 && prefixRows < n)
  input = reader
}

/** Puts the queens of the next beginning on the board; a beginning that attacks itself has no solutions. */
function placeBeginning(): void {
  const reader = input!
  row = 0
  openRow(0, 0, 0, 0)
  for (let i = 0; i < prefixRows; i++) {
    const column = <i32>reader.u8()
    require(column < n)
    const queen: u32 = 1 << column
    if (row < i) continue // attacked already: read on, search nothing
    if (unchecked(open[i]) & queen) descend(queen)
  }
}

/** Backtracks until the beginning is exhausted or `boards` placements were made; returns how many are left. */
function search(boards: i32): i32 {
  while (boards > 0 && row >= prefixRows) {
    const candidates = unchecked(open[row])
    if (candidates == 0) {
      row--
      continue
    }
    const queen = candidates & -candidates
    unchecked((open[row] = candidates ^ queen))
    boards--
    if (row == n - 1) solutions++
    else descend(queen)
  }
  return boards
}

function descend(queen: u32): void {
  const at = row
  row = at + 1
  openRow(
    at + 1,
    unchecked(columns[at]) | queen,
    (unchecked(rising[at]) | queen) << 1,
    (unchecked(falling[at]) | queen) >> 1,
  )
}

function openRow(at: i32, column: u32, rise: u32, fall: u32): void {
  unchecked((columns[at] = column))
  unchecked((rising[at] = rise))
  unchecked((falling[at] = fall))
  unchecked((open[at] = ((1 << n) - 1) & ~(column | rise | fall)))
}
