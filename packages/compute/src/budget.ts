/** Something that may be in use so much at once, bytes or threads; who wants more than is free waits in line. */
export class Budget {
  readonly #total: number
  readonly #waiting: { readonly amount: number; readonly grant: () => void }[] = []
  #free: number

  constructor(total: number) {
    this.#total = total
    this.#free = total
  }

  /**
   * Runs `work` with `amount` reserved; more than there are at all counts as all.
   * @param signal ends the waiting in line, not the work
   * @throws the signal's reason, or what `work` throws
   */
  async use<T>(amount: number, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const wanted = Math.min(amount, this.#total)
    await this.#reserve(wanted, signal)
    try {
      signal?.throwIfAborted()
      return await work()
    } finally {
      this.#free += wanted
      this.#next()
    }
  }

  async #reserve(amount: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#waiting.length === 0 && amount <= this.#free) {
      this.#free -= amount
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = { amount, grant: resolve }
    this.#waiting.push(waiting)
    const leave = (): void => {
      const at = this.#waiting.indexOf(waiting)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      reject(signal?.reason)
      // Those behind it may want less.
      this.#next()
    }
    signal?.addEventListener('abort', leave, { once: true })
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', leave)
    }
  }

  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined && first.amount <= this.#free; ) {
      this.#waiting.shift()
      this.#free -= first.amount
      first.grant()
      first = this.#waiting[0]
    }
  }
}
