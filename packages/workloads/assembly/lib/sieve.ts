/**
 * Segmented sieve of Eratosthenes over odd numbers (C. Bays, R. Hudson, BIT 17, 1977). Memory is one segment,
 * which fits a first-level cache, plus the primes up to the square root of the end of the range.
 */

/** Odd numbers in one segment, one byte each. */
export const SEGMENT: i32 = 1 << 15

/** Largest end of a range: keeps the table of base primes below 630 kB. */
export const LARGEST_END: u64 = 1_000_000_000_000

export class Sieve {
  /** After `next()`: 1 where the odd number `base + 2·index` is composite. */
  readonly composite: StaticArray<u8> = new StaticArray<u8>(SEGMENT)
  /** The odd number that index 0 stands for. */
  base: u64
  /** The base primes, odd, ascending. */
  private primes: StaticArray<u32>
  /** For each base prime, where in the coming segment its next odd multiple lies. */
  private offsets: StaticArray<u32>

  /** Sieves from the first odd number at or after `from`, which must be at least 3, up to at most `end`. */
  constructor(from: u64, end: u64) {
    const base = from | 1
    const primes = oddPrimes(squareRoot(end))
    const count = primes.length
    const offsets = new StaticArray<u32>(count)
    for (let i = 0; i < count; i++) {
      const p = <u64>unchecked(primes[i])
      let multiple = p * p
      if (multiple < base) {
        multiple = ((base + p - 1) / p) * p
        if ((multiple & 1) == 0) multiple += p
      }
      unchecked((offsets[i] = <u32>((multiple - base) >> 1)))
    }
    this.base = base
    this.primes = primes
    this.offsets = offsets
  }

  /** Marks the composites of the coming segment and returns its base. */
  next(): u64 {
    const composite = this.composite
    const primes = this.primes
    const offsets = this.offsets
    memory.fill(changetype<usize>(composite), 0, SEGMENT)
    for (let i = 0, count = primes.length; i < count; i++) {
      const p = unchecked(primes[i])
      let at = unchecked(offsets[i])
      for (; at < <u32>SEGMENT; at += p) unchecked((composite[at] = 1))
      unchecked((offsets[i] = at - SEGMENT))
    }
    const base = this.base
    this.base += 2 * SEGMENT
    return base
  }
}

/** The largest integer whose square is at most `n`; exact for n below 2^52. */
function squareRoot(n: u64): u32 {
  return <u32>Math.sqrt(<f64>n)
}

/** The odd primes up to and including `limit`. */
function oddPrimes(limit: u32): StaticArray<u32> {
  const composite = new StaticArray<u8>(limit + 1)
  let count = 0
  for (let n: u32 = 3; n <= limit; n += 2) {
    if (unchecked(composite[n])) continue
    count++
    for (let m: u64 = <u64>n * n; m <= limit; m += 2 * n) unchecked((composite[<i32>m] = 1))
  }
  const primes = new StaticArray<u32>(count)
  for (let n: u32 = 3, i = 0; n <= limit; n += 2) {
    if (!unchecked(composite[n])) unchecked((primes[i++] = n))
  }
  return primes
}
