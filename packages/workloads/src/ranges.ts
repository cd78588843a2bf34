/** A half-open range of integers. */
export interface Range {
  readonly from: number
  readonly end: number
}

/** `from` to `end` cut into `parts` ranges in order that differ by at most one in length. */
export function splitRange(from: number, end: number, parts: number): readonly Range[] {
  const cut = (i: number) => from + Math.floor(((end - from) * i) / parts)
  return Array.from({ length: parts }, (_, i) => ({ from: cut(i), end: cut(i + 1) }))
}

/** `items` cut into `parts` runs in order that differ by at most one in length. */
export function splitItems<T>(items: readonly T[], parts: number): readonly (readonly T[])[] {
  return splitRange(0, items.length, parts).map((range) => items.slice(range.from, range.end))
}
