/** Something that may be in use so much at once, bytes or threads; who wants more than is free waits in line. */
export class Budget {
  readonly #total: number
  readonly #waiting: { readonly amount: number; readonly grant: () => void }[] = []
  #free: number

  constructor(total: number) {
    this.#total = total
    this.#free = total
  }

  /** Runs `work` with `amount` reserved; more than there are at all counts as all. */
  async use<T>(amount: number, work: () => Promise<T>): Promise<T> {
    const wanted = Math.min(amount, this.#total)
    if (this.#waiting.length > 0 || wanted > this.#free) {
      const granted = Promise.withResolvers<void>()
      this.#waiting.push({ amount: wanted, grant: granted.resolve })
      await granted.promise
    } else this.#free -= wanted
    try {
      return await work()
    } finally {
      this.#free += wanted
      this.#next()
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
