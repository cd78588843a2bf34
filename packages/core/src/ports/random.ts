/** Where entropy comes from. */
export interface Random {
  /** `length` bytes, unpredictable in production, reproducible in tests. */
  bytes(length: number): Uint8Array
  /** A uniform integer in [0, bound); `bound` in [1, 2^32]. */
  below(bound: number): number
}

/** A copy of `items` in uniformly random order (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const swap = out[i] as T
    out[i] = out[j] as T
    out[j] = swap
  }
  return out
}
