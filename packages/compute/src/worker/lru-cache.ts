import type { Digest } from '@askee/core'

/** Values that are costly to make, by digest; the least recently used make room. A failure is not kept. */
export class LruCache<T> {
  readonly #capacity: number
  readonly #entries = new Map<Digest, Promise<T>>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(digest: Digest, make: () => Promise<T>): Promise<T> {
    const held = this.#entries.get(digest) ?? this.#made(digest, make)
    this.#entries.delete(digest)
    this.#entries.set(digest, held)
    if (this.#entries.size > this.#capacity) {
      this.#entries.delete(this.#entries.keys().next().value as Digest)
    }
    return held
  }

  #made(digest: Digest, make: () => Promise<T>): Promise<T> {
    const made = make()
    made.catch(() => {
      if (this.#entries.get(digest) === made) this.#entries.delete(digest)
    })
    return made
  }
}
