import { fromUtf8 } from '@askee/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { InputWriter } from '../src/wire.ts'
import { runModule } from './host.ts'

async function solutions(
  n: number,
  rows: number,
  beginnings: readonly (readonly number[])[],
): Promise<number> {
  const input = new InputWriter().u32(n).u32(rows).u32(beginnings.length)
  for (const column of beginnings.flat()) input.u8(column)
  return Number(fromUtf8((await runModule('n-queens', input.finish())).output))
}

/** Counts completions by comparing every queen with every other. */
function completions(n: number, board: readonly number[]): number {
  const last = board.length - 1
  const attacked = board.some((column, row) =>
    board.some((other, r) => r < row && (other === column || Math.abs(other - column) === row - r)),
  )
  if (attacked) return 0
  if (last === n - 1) return 1
  let sum = 0
  for (let column = 0; column < n; column++) sum += completions(n, [...board, column])
  return sum
}

it('SIM-1 n-queens counts the completions of any beginnings, also of those that attack themselves', async () => {
  const cases = fc.integer({ min: 2, max: 7 }).chain((n) =>
    fc.integer({ min: 0, max: n - 1 }).chain((rows) =>
      fc.record({
        n: fc.constant(n),
        rows: fc.constant(rows),
        beginnings: fc.array(fc.array(fc.nat(n - 1), { minLength: rows, maxLength: rows }), { maxLength: 4 }),
      }),
    ),
  )
  await fc.assert(
    fc.asyncProperty(cases, async ({ n, rows, beginnings }) => {
      const expected = beginnings.reduce((sum, board) => sum + completions(n, board), 0)
      expect(await solutions(n, rows, beginnings)).toBe(expected)
    }),
    { numRuns: 80 },
  )
})

it('SIM-1 n-queens counts whole boards from an empty beginning', async () => {
  const known = [1, 0, 0, 2, 10, 4, 40, 92, 352, 724]
  for (const [i, answer] of known.entries()) expect(await solutions(i + 1, 0, [[]])).toBe(answer)
})
