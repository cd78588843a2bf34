/**
 * Values that are costly to make, by name; the least recently used make room when there are too many or they weigh too
 * much. A failure is not kept.
 */
export class LruCache<K, T> {
  readonly #capacity: number
  readonly #maxWeight: number
  readonly #weigh: (value: T) => number
  readonly #entries = new Map<K, { readonly value: Promise<T>; weight: number }>()
  #weight = 0

  constructor(
    limits: { readonly capacity: number; readonly maxWeight: number },
    weigh: (value: T) => number,
  ) {
    this.#capacity = limits.capacity
    this.#maxWeight = limits.maxWeight
    this.#weigh = weigh
  }

  /** What all kept values weigh. */
  get weight(): number {
    return this.#weight
  }

  get(key: K, make: () => Promise<T>): Promise<T> {
    const held = this.#entries.get(key) ?? this.#made(key, make)
    this.#entries.delete(key)
    this.#entries.set(key, held)
    this.#makeRoom()
    return held.value
  }

  /** Forgets everything; what is being made is made to the end for who asked. */
  clear(): void {
    this.#entries.clear()
    this.#weight = 0
  }

  #made(key: K, make: () => Promise<T>): { readonly value: Promise<T>; weight: number } {
    const entry = { value: make(), weight: 0 }
    entry.value.then(
      (value) => {
        if (this.#entries.get(key) !== entry) return
        entry.weight = this.#weigh(value)
        this.#weight += entry.weight
        this.#makeRoom()
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key)
      },
    )
    return entry
  }

  #makeRoom(): void {
    for (const [key, { weight }] of this.#entries) {
      if (this.#entries.size <= this.#capacity && this.#weight <= this.#maxWeight) return
      this.#entries.delete(key)
      this.#weight -= weight
    }
  }
}
