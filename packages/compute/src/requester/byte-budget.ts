/** Bytes that may be on their way at once; who wants more than is free waits in line. */
export class ByteBudget {
  readonly #total: number
  readonly #waiting: { readonly bytes: number; readonly grant: () => void }[] = []
  #free: number

  constructor(total: number) {
    this.#total = total
    this.#free = total
  }

  /** Runs `work` with `bytes` reserved; more than there are at all counts as all. */
  async use<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const wanted = Math.min(bytes, this.#total)
    if (this.#waiting.length > 0 || wanted > this.#free) {
      const granted = Promise.withResolvers<void>()
      this.#waiting.push({ bytes: wanted, grant: granted.resolve })
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
    for (let first = this.#waiting[0]; first !== undefined && first.bytes <= this.#free; ) {
      this.#waiting.shift()
      this.#free -= first.bytes
      first.grant()
      first = this.#waiting[0]
    }
  }
}
