/** Arithmetic modulo the Mersenne number 2^p − 1, on 32-bit limbs, least significant first. */
export class MersenneResidue {
  /** Between 0 and 2^p − 2. */
  private limbs: StaticArray<u32>
  /** Room for the square. */
  private wide: StaticArray<u32>
  /** Bits of the topmost limb that belong to the number: 1 to 31, as p is odd. */
  private topBits: u32

  /** `p` is odd and at least 3; `value` is taken modulo 2^p − 1. */
  constructor(p: u32, value: u32) {
    const count = <i32>(p >> 5) + 1
    this.limbs = new StaticArray<u32>(count)
    this.wide = new StaticArray<u32>(2 * count)
    this.topBits = p & 31
    this.wide[0] = value
    this.reduce()
  }

  get isZero(): bool {
    for (let i = 0, count = this.limbs.length; i < count; i++) {
      if (unchecked(this.limbs[i]) != 0) return false
    }
    return true
  }

  /** The value modulo 2^64: what programs that hunt for Mersenne primes call res64. */
  get low64(): u64 {
    const limbs = this.limbs
    return limbs.length == 1 ? <u64>limbs[0] : <u64>limbs[0] | (<u64>limbs[1] << 32)
  }

  /** x becomes x². Schoolbook: each product of two different limbs once, doubled, plus the squares. */
  square(): void {
    const x = this.limbs
    const out = this.wide
    const count = x.length
    memory.fill(changetype<usize>(out), 0, out.length << 2)
    for (let i = 0; i < count - 1; i++) {
      const factor = <u64>unchecked(x[i])
      let carry: u64 = 0
      for (let j = i + 1; j < count; j++) {
        // At most (2^32 − 1)² + 2 (2^32 − 1) = 2^64 − 1: never overflows.
        const sum = factor * <u64>unchecked(x[j]) + <u64>unchecked(out[i + j]) + carry
        unchecked((out[i + j] = <u32>sum))
        carry = sum >> 32
      }
      unchecked((out[i + count] = <u32>carry))
    }
    let carry: u64 = 0
    let shifted: u32 = 0
    for (let i = 0; i < count; i++) {
      const low = unchecked(out[2 * i])
      const high = unchecked(out[2 * i + 1])
      const square = <u64>unchecked(x[i]) * <u64>unchecked(x[i])
      const first = <u64>((low << 1) | shifted) + (square & 0xffffffff) + carry
      const second = <u64>((high << 1) | (low >> 31)) + (square >> 32) + (first >> 32)
      unchecked((out[2 * i] = <u32>first))
      unchecked((out[2 * i + 1] = <u32>second))
      shifted = high >> 31
      carry = second >> 32
    }
    this.reduce()
  }

  /** x becomes x − 2. */
  subtractTwo(): void {
    // A borrow out of the top means x was 0 or 1: adding 2^p − 1 is masking to p bits and taking 1 away.
    if (this.subtract(2)) {
      this.maskTop()
      this.subtract(1)
    }
  }

  /** limbs = wide modulo 2^p − 1. As 2^p is 1, the bits from p on are simply added to those below. */
  private reduce(): void {
    const wide = this.wide
    const limbs = this.limbs
    const top = limbs.length - 1
    const right = this.topBits
    const left = 32 - right
    let carry: u64 = 0
    for (let i = 0; i <= top; i++) {
      const high = (unchecked(wide[top + i]) >> right) | (unchecked(wide[top + i + 1]) << left)
      let low = unchecked(wide[i])
      if (i == top) low &= (1 << right) - 1
      carry += <u64>low + <u64>high
      unchecked((limbs[i] = <u32>carry))
      carry >>= 32
    }
    // Both parts were below 2^p, so at most one bit stands above; adding it cannot carry beyond 2^p again.
    let overflow = <u64>(unchecked(limbs[top]) >> right)
    this.maskTop()
    for (let i = 0; i <= top && overflow != 0; i++) {
      overflow += <u64>unchecked(limbs[i])
      unchecked((limbs[i] = <u32>overflow))
      overflow >>= 32
    }
    if (this.isAllOnes()) memory.fill(changetype<usize>(limbs), 0, limbs.length << 2)
  }

  /** Takes `amount` away modulo 2^(32 · limbs); whether it borrowed beyond the top. */
  private subtract(amount: u32): bool {
    const limbs = this.limbs
    let borrow = amount
    for (let i = 0, count = limbs.length; i < count && borrow != 0; i++) {
      const limb = unchecked(limbs[i])
      unchecked((limbs[i] = limb - borrow))
      borrow = limb < borrow ? 1 : 0
    }
    return borrow != 0
  }

  private maskTop(): void {
    const top = this.limbs.length - 1
    unchecked((this.limbs[top] &= (1 << this.topBits) - 1))
  }

  /** Whether the limbs hold 2^p − 1, which is 0. */
  private isAllOnes(): bool {
    const limbs = this.limbs
    const top = limbs.length - 1
    for (let i = 0; i < top; i++) {
      if (unchecked(limbs[i]) != u32.MAX_VALUE) return false
    }
    return unchecked(limbs[top]) == (1 << this.topBits) - 1
  }
}
