/**
 * The start with the longest Collatz sequence in lo ≤ n < hi: halve even numbers, take odd ones to 3n + 1, count
 * the steps until 1. Of equally long ones the smallest start.
 * Input: u64 lo (at least 1), u64 hi. Output: 'start steps' in decimal digits.
 */
import { DONE, MORE, Reader, require, writeText } from './kit'

/** Collatz steps after which `step` pauses: some milliseconds. */
const WORK_A_STEP: u64 = 4_000_000
/** Above this 3n + 1 would not fit 64 bits. */
const LARGEST_ODD: u64 = (u64.MAX_VALUE - 1) / 3

let started = false
let n: u64 = 0
let hi: u64 = 0
let longestStart: u64 = 0
let longest: u64 = 0

export function step(): i32 {
  if (!started) start()
  let work: u64 = 0
  for (; n < hi && work < WORK_A_STEP; n++) {
    const steps = sequenceLength(n)
    work += steps
    if (steps > longest || longestStart == 0) {
      longest = steps
      longestStart = n
    }
  }
  if (n < hi) return MORE
  writeText(longestStart.toString() + ' ' + longest.toString())
  return DONE
}

function start(): void {
  const input = new Reader()
  n = input.u64()
  hi = input.u64()
  require(n >= 1 && n < hi)
  started = true
}

function sequenceLength(first: u64): u64 {
  let value = first
  let steps: u64 = 0
  while (true) {
    const halvings = ctz<u64>(value)
    value >>= halvings
    steps += halvings
    if (value == 1) return steps
    require(value <= LARGEST_ODD)
    value = 3 * value + 1
    steps++
  }
}
