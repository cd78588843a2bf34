/**
 * Items for one peer, sent in batches one after the other. While one batch is under way the next one fills, so that
 * batches grow with load and a single item waits for nobody.
 */
export class Lane<T> {
  readonly #send: (batch: T[]) => Promise<void>
  readonly #take: (queue: readonly T[]) => number
  #queue: T[] = []
  #running = false

  /**
   * @param take how many of the queued items make the next batch, at least 1
   * @param send never rejects
   */
  constructor(take: (queue: readonly T[]) => number, send: (batch: T[]) => Promise<void>) {
    this.#take = take
    this.#send = send
  }

  push(item: T): void {
    this.#queue.push(item)
    if (this.#running) return
    this.#running = true
    // Everything pushed in the same task goes together.
    queueMicrotask(() => void this.#drain())
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.#send(this.#queue.splice(0, this.#take(this.#queue)))
    } finally {
      this.#running = false
    }
  }
}
