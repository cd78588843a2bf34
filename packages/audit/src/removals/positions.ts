import { AskeeError } from '@askee/core'

/** Entries from `first` to `last`, both of them included. */
export interface PositionRange {
  readonly first: number
  readonly last: number
}

/** Positions in one text at most: it fits into the content of an act, whatever they are. */
export const MAX_POSITIONS = 500
/** 500 numbers of 15 digits with their commas. */
const MAX_TEXT = 16 * MAX_POSITIONS
const TEXT = /^\d{1,15}(-\d{1,15})?(,\d{1,15}(-\d{1,15})?)*$/

/**
 * `1-4,9` for 1, 2, 3, 4 and 9.
 * @param positions ascending, 1 to 500 of them
 */
export function formatPositions(positions: readonly number[]): string {
  const ranges: { first: number; last: number }[] = []
  for (const position of positions) {
    const range = ranges.at(-1)
    if (range?.last === position - 1) range.last = position
    else ranges.push({ first: position, last: position })
  }
  return formatRanges(ranges)
}

/** The same of ranges that do not touch. */
export function formatRanges(ranges: readonly PositionRange[]): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(',')
}

/**
 * What `formatPositions` wrote, and no other text of the same positions.
 * @throws AskeeError `audit/removal`
 */
export function parsePositions(text: string): PositionRange[] {
  if (text.length > MAX_TEXT || !TEXT.test(text)) throw malformed('positions like 1-4,9')
  const ranges = text.split(',').map((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?]
    return { first, last }
  })
  let count = 0
  for (const [i, { first, last }] of ranges.entries()) {
    count += last - first + 1
    if (last < first || first <= (ranges[i - 1]?.last ?? -2) + 1) throw malformed('ascending positions')
  }
  if (count > MAX_POSITIONS) throw malformed(`at most ${MAX_POSITIONS} positions`)
  if (formatRanges(ranges) !== text) throw malformed('positions in their one form')
  return ranges
}

export function positionsOf(ranges: readonly PositionRange[]): number[] {
  return ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i))
}

export function countOf(ranges: readonly PositionRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
}

function malformed(expected: string): AskeeError {
  return new AskeeError('audit/removal', `an act of removal does not say what went: expected ${expected}`)
}
