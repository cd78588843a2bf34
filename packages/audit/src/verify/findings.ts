/** Something in a log that is not as it was written. */
export interface Finding {
  readonly code:
    | 'audit/entry-changed'
    | 'audit/entry-missing'
    | 'audit/entry-malformed'
    | 'audit/hash-changed'
    | 'audit/root-changed'
    | 'audit/cut-off'
    | 'audit/checkpoint'
    | 'audit/content-changed'
    | 'audit/content-missing'
    | 'audit/content-foreign'
    | 'audit/removal'
  /** First entry concerned, and the last. */
  readonly from: number
  readonly to: number
  readonly text: string
}

/** Findings told at most; a log that is changed all over needs no more of them. */
export const MAX_FINDINGS = 100

interface Found {
  readonly code: Finding['code']
  readonly from: number
  to: number
  readonly why: string
}

/** What was found: neighbours with the same fault are one finding, and no more than `MAX_FINDINGS` are held. */
export class Findings {
  readonly #told: { found: Found; says: 'which' | 'all' }[] = []
  readonly #last = new Map<Finding['code'], Found>()
  #count = 0

  /** Findings in all, told or not. */
  get count(): number {
    return this.#count
  }

  has(code: Finding['code']): boolean {
    return this.#last.has(code)
  }

  /** Of one entry; the text names it. */
  at(code: Finding['code'], index: number, why: string): void {
    const last = this.#last.get(code)
    if (last?.why === why && last.to === index - 1) last.to = index
    else this.#add({ code, from: index, to: index, why }, 'which')
  }

  /** Of a part of the log; the text says all. */
  over(code: Finding['code'], from: number, to: number, text: string): void {
    this.#add({ code, from, to, why: text }, 'all')
  }

  #add(found: Found, says: 'which' | 'all'): void {
    this.#count++
    this.#last.set(found.code, found)
    if (this.#told.length < MAX_FINDINGS) this.#told.push({ found, says })
  }

  list(): Finding[] {
    return this.#told.map(({ found: { why, ...where }, says }) => ({
      ...where,
      text: says === 'all' ? why : `${named(where)}: ${why}`,
    }))
  }
}

function named({ from, to }: { from: number; to: number }): string {
  return from === to ? `entry ${from}` : `entries ${from} to ${to}`
}
