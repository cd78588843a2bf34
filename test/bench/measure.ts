/** What is measured beside a measure in the same run, or known from elsewhere; null where it could not be. */
export interface Reference {
  readonly what: string
  readonly value: number | null
}

/** One line of the table that `npm run bench` prints. */
export interface Measure {
  /** Number of docs/measurements.md. */
  readonly id: string
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly least: number
  readonly aim: number
  /** Whether larger values are better. */
  readonly better: 'higher' | 'lower'
  /** The ratio that is shown is to the first that has a value. */
  readonly references: readonly Reference[]
  /** A deliberately bad run of the same measure; it must miss the least, or the measure shows nothing. */
  readonly control: { readonly what: string; readonly value: number }
}

export type Verdict = 'aim reached' | 'least reached' | 'MISSED' | 'CONTROL NOT FLAGGED'

function reaches(measure: Measure, value: number, bound: number): boolean {
  return measure.better === 'higher' ? value >= bound : value <= bound
}

/** What a measure shows. A measure whose control passes is worthless, whatever its own value. */
export function verdict(measure: Measure): Verdict {
  if (reaches(measure, measure.control.value, measure.least)) return 'CONTROL NOT FLAGGED'
  if (reaches(measure, measure.value, measure.aim)) return 'aim reached'
  return reaches(measure, measure.value, measure.least) ? 'least reached' : 'MISSED'
}

/** References as the table shows them. */
export function described(references: readonly Reference[]): string {
  return references
    .map(({ what, value }) => `${what}: ${value === null ? 'not installed' : figure(value)}`)
    .join('; ')
}

/** The measure ÷ its first reference with a value. */
export function ratio({ value, references }: Measure): string {
  const first = references.find((reference) => reference.value !== null)
  return first?.value == null ? '' : figure(value / first.value)
}

/** A number with three significant digits or all of its whole ones. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
