interface Entry<T> {
  readonly value: Promise<T>
  /** Ends the making. */
  readonly making: AbortController
  isMade: boolean
  /** How many wait for it to be made. */
  wishes: number
  weight: number
}

/**
 * Values that are costly to make, by name; the least recently used make room when there are too many or they weigh too
 * much. Made once for all who want one at the same time, and to the end only as long as somebody wants it. A failure is not
 * kept.
 */
export class LruCache<K, T> {
  readonly #capacity: number
  readonly #maxWeight: number
  readonly #weigh: (value: T) => number
  readonly #entries = new Map<K, Entry<T>>()
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

  /**
   * @param signal ends the wish: at once when others still want the value, else when its making has ended
   * @param make its signal is aborted when nobody wants the value any more
   * @throws the signal's reason, or what `make` throws
   */
  async get(key: K, signal: AbortSignal, make: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const held = this.#entries.get(key) ?? this.#made(key, make)
    this.#entries.delete(key)
    this.#entries.set(key, held)
    this.#makeRoom()
    if (held.isMade) return held.value
    const { promise: left, reject } = Promise.withResolvers<never>()
    const leave = (): void => {
      if (held.isMade) return
      if (--held.wishes > 0) {
        reject(signal.reason)
        return
      }
      // Who wants it from now on is not given what is being ended.
      if (this.#entries.get(key) === held) this.#entries.delete(key)
      held.making.abort(signal.reason)
    }
    held.wishes++
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await Promise.race([held.value, left])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** Forgets everything; what is being made is made to the end for who asked. */
  clear(): void {
    this.#entries.clear()
    this.#weight = 0
  }

  #made(key: K, make: (signal: AbortSignal) => Promise<T>): Entry<T> {
    const making = new AbortController()
    const entry: Entry<T> = { value: make(making.signal), making, isMade: false, wishes: 0, weight: 0 }
    entry.value.then(
      (value) => {
        entry.isMade = true
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
