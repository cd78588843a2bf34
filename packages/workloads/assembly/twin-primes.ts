/**
 * Counts the twin primes (p, p + 2) with lo ≤ p < hi. Ranges that follow one another count each pair once.
 * Input: u64 lo, u64 hi. Output: the count in decimal digits.
 */
import { DONE, MORE, Reader, require, writeText } from './kit'
import { LARGEST_END, SEGMENT, Sieve } from './lib/sieve'

/** Some milliseconds of work. */
const SEGMENTS_A_STEP = 64

let sieve: Sieve | null = null
/** The last p + 2 is below this. */
let end: u64 = 0
let count: u64 = 0
/** Whether the odd number just before the coming segment is in the range and prime. */
let previousIsPrime: i32 = 0

export function step(): i32 {
  if (!sieve) start()
  const primes = sieve!
  for (let i = 0; i < SEGMENTS_A_STEP && primes.base < end; i++) countSegment(primes)
  if (primes.base < end) return MORE
  writeText(count.toString())
  return DONE
}

function start(): void {
  const input = new Reader()
  const lo = input.u64()
  const hi = input.u64()
  require(lo <= hi && hi < LARGEST_END - 2)
  end = lo < hi ? hi + 2 : 0
  sieve = new Sieve(max<u64>(lo, 3), hi + 2)
}

function countSegment(primes: Sieve): void {
  const base = primes.next()
  const flags = primes.composite
  const length = <i32>min<u64>(SEGMENT, (end - base + 1) >> 1)
  let previous = previousIsPrime
  let found = 0
  for (let i = 0; i < length; i++) {
    const prime = 1 ^ <i32>unchecked(flags[i])
    found += previous & prime
    previous = prime
  }
  previousIsPrime = previous
  count += found
}
