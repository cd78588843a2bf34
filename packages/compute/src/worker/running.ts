/** What was begun under each consent and has not come to its end. */
export class Running {
  readonly #byConsent = new Map<string, Set<Promise<void>>>()

  /** @param run never rejects */
  add(consent: string, run: Promise<void>): void {
    const runs = this.#byConsent.get(consent) ?? new Set()
    this.#byConsent.set(consent, runs.add(run))
    void run.finally(() => {
      runs.delete(run)
      if (runs.size === 0 && this.#byConsent.get(consent) === runs) this.#byConsent.delete(consent)
    })
  }

  /** Resolves when all that runs now under these consents is over. */
  async settled(consents: readonly string[]): Promise<void> {
    await Promise.all(consents.flatMap((consent) => [...(this.#byConsent.get(consent) ?? [])]))
  }
}
