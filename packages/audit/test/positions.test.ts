import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Coverage, PositionSet } from '../src/removals/coverage.ts'
import { countOf, formatPositions, MAX_POSITIONS, parsePositions } from '../src/removals/positions.ts'

const positions = fc
  .uniqueArray(fc.oneof(fc.nat(40), fc.nat(100_000)), { minLength: 1, maxLength: 60 })
  .map((all) => all.sort((a, b) => a - b))

describe('positions of contents that went', () => {
  it('AUD-2 are read as they were written, each of them and no other', () => {
    fc.assert(
      fc.property(positions, (all) => {
        const ranges = parsePositions(formatPositions(all))
        expect(countOf(ranges)).toBe(all.length)
        expect(
          ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)),
        ).toEqual(all)
      }),
    )
  })

  it('AUD-2 fit into an act at their most and largest', () => {
    const most = Array.from({ length: MAX_POSITIONS }, (_, i) => 10 ** 15 - 1 - 2 * (MAX_POSITIONS - 1 - i))
    const text = formatPositions(most)
    expect(text.length).toBeLessThan(8_000)
    expect(countOf(parsePositions(text))).toBe(MAX_POSITIONS)
  })

  it.each([
    '',
    '-',
    '1,',
    '2,1',
    '1,1',
    '1,2',
    '1-1',
    '3-2',
    '01',
    '1-2-3',
    '0-999999999999999',
    'x',
    '1 ,3',
    '0-500',
  ])('AUD-2 are refused as "%s"', (text) => {
    expect(() => parsePositions(text)).toThrow(expect.objectContaining({ code: 'audit/removal' }))
  })

  const part = (request: number, all: number[]) => ({
    ...{ kind: 'erased' as const, request, count: 0, first: 0, last: 0 },
    ranges: parsePositions(formatPositions(all)),
  })

  it('AUD-2 are held in bits, and a removal that failed covers what an earlier one does, and nothing else', () => {
    fc.assert(
      fc.property(positions, positions, (first, second) => {
        const set = new PositionSet()
        for (const at of first) set.add(at)
        for (const at of [...first, ...second]) expect(set.has(at)).toBe(first.includes(at))
        const coverage = new Coverage()
        coverage.add(200_000, part(1, first))
        coverage.add(200_001, part(2, second))
        coverage.add(200_002, { kind: 'cancelled', cancels: 200_001 })
        for (const at of [...first, ...second]) expect(coverage.has('erased', at)).toBe(first.includes(at))
      }),
    )
  })

  it('AUD-2 of a removal in several acts are covered together, and cancelled together by whichever is named', () => {
    fc.assert(
      fc.property(positions, positions, fc.constantFrom(1, 2), (first, second, named) => {
        const both = () => {
          const coverage = new Coverage()
          coverage.add(200_001, part(1, first))
          coverage.add(200_002, part(1, second))
          return coverage
        }
        const all = [...first, ...second]
        const whole = both()
        expect(all.every((at) => whole.has('erased', at))).toBe(true)
        const cancelled = both()
        cancelled.add(200_003, { kind: 'cancelled', cancels: 200_000 + named })
        expect(all.some((at) => cancelled.has('erased', at))).toBe(false)
      }),
    )
  })
})
