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

  it('AUD-2 are held in bits, and a removal that failed covers nothing any more', () => {
    fc.assert(
      fc.property(positions, positions, (first, second) => {
        const set = new PositionSet()
        for (const at of first) set.add(at)
        for (const at of second) set.remove(at)
        for (const at of [...first, ...second]) {
          expect(set.has(at)).toBe(first.includes(at) && !second.includes(at))
        }
        const coverage = new Coverage()
        const parts = (all: number[]) => ({
          ...{ kind: 'erased' as const, request: 1, count: 0, first: 0, last: 0 },
          ranges: parsePositions(formatPositions(all)),
        })
        coverage.add(200_000, parts(first))
        coverage.add(200_001, parts(second))
        expect([...first, ...second].every((at) => coverage.has('erased', at))).toBe(true)
        coverage.add(200_002, { kind: 'cancelled', cancels: 200_001 })
        expect(first.every((at) => coverage.has('erased', at))).toBe(true)
        coverage.add(200_003, { kind: 'cancelled', cancels: 200_000 })
        expect([...first, ...second].some((at) => coverage.has('erased', at))).toBe(false)
      }),
    )
  })
})
