/** A small seeded generator (xorshift128, Marsaglia 2003) for tests: the same seed gives the same modules everywhere. */
export class Prng {
  #a: number
  #b: number
  #c = 0x2545f491
  #d = 0x9e3779b9

  constructor(seed: number) {
    this.#a = (seed ^ 0x5bd1e995) >>> 0 || 1
    this.#b = Math.imul(seed + 1, 0x85ebca6b) >>> 0
    for (let index = 0; index < 16; index++) this.u32()
  }

  u32(): number {
    let t = this.#d
    const s = this.#a
    this.#d = this.#c
    this.#c = this.#b
    this.#b = s
    t ^= t << 11
    t ^= t >>> 8
    this.#a = (t ^ s ^ (s >>> 19)) >>> 0
    return this.#a
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return this.u32() % bound
  }

  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}
