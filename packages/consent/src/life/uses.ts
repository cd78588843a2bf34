/** What is counted of one consent and campaign and not written yet. */
interface Counted {
  readonly consent: string
  readonly campaign: string
  readonly purpose: string
  tasks: number
}

/** Campaigns remembered as written; a forgotten one is written as a first use once more. */
const KEPT = 4096

/**
 * Counts uses, so that the first of each campaign is written at once and the others together: a row on disk for each of a
 * thousand short tasks a second would cost more than the tasks.
 */
export class Uses {
  readonly #write: (use: Readonly<Counted>) => void
  readonly #counted = new Map<string, Counted>()

  constructor(write: (use: Readonly<Counted>) => void) {
    this.#write = write
  }

  add(consent: string, { campaign, purpose }: { readonly campaign: string; readonly purpose: string }): void {
    const key = `${consent} ${campaign}`
    const known = this.#counted.get(key)
    if (known !== undefined) {
      known.tasks++
      return
    }
    this.#write({ consent, campaign, purpose, tasks: 1 })
    this.#counted.set(key, { consent, campaign, purpose, tasks: 0 })
    if (this.#counted.size <= KEPT) return
    const [oldest, counted] = this.#counted.entries().next().value as [string, Counted]
    this.#flush(counted)
    this.#counted.delete(oldest)
  }

  /** Writes what was counted since the last time, of one consent or of all. */
  flush(consent?: string): void {
    for (const counted of this.#counted.values()) {
      if (consent === undefined || counted.consent === consent) this.#flush(counted)
    }
  }

  #flush(counted: Counted): void {
    if (counted.tasks === 0) return
    this.#write(counted)
    counted.tasks = 0
  }
}
