/** Values that are costly to make, by name; the least recently used make room. A failure is not kept. */
export class LruCache<K, T> {
  readonly #capacity: number
  readonly #entries = new Map<K, Promise<T>>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: K, make: () => Promise<T>): Promise<T> {
    const held = this.#entries.get(key) ?? this.#made(key, make)
    this.#entries.delete(key)
    this.#entries.set(key, held)
    if (this.#entries.size > this.#capacity) {
      this.#entries.delete(this.#entries.keys().next().value as K)
    }
    return held
  }

  #made(key: K, make: () => Promise<T>): Promise<T> {
    const made = make()
    made.catch(() => {
      if (this.#entries.get(key) === made) this.#entries.delete(key)
    })
    return made
  }
}
