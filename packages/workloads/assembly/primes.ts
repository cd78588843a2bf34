/**
 * Counts the primes p with lo ≤ p < hi.
 * Input: u64 lo, u64 hi. Output: the count in decimal digits.
 */
import { DONE, MORE, Reader, require, writeText } from './kit'
import { LARGEST_END, SEGMENT, Sieve } from './lib/sieve'

/** Some milliseconds of work. */
const SEGMENTS_A_STEP = 64

let sieve: Sieve | null = null
let hi: u64 = 0
let count: u64 = 0

export function step(): i32 {
  if (!sieve) start()
  const primes = sieve!
  for (let i = 0; i < SEGMENTS_A_STEP && primes.base < hi; i++) countSegment(primes)
  if (primes.base < hi) return MORE
  writeText(count.toString())
  return DONE
}

function start(): void {
  const input = new Reader()
  const lo = input.u64()
  hi = input.u64()
  require(lo <= hi && hi <= LARGEST_END)
  if (lo <= 2 && hi > 2) count = 1 // the only even prime
  sieve = new Sieve(max<u64>(lo, 3), hi)
}

function countSegment(primes: Sieve): void {
  const base = primes.next()
  const flags = primes.composite
  const end = <i32>min<u64>(SEGMENT, (hi - base + 1) >> 1)
  let found = end
  for (let i = 0; i < end; i++) found -= <i32>unchecked(flags[i])
  count += found
}
