import type { Fuel } from '@askee/core'
import { splitItems } from '../ranges.ts'
import { InputWriter, sumOfCounts } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'

/** Solutions for 8, 12, 15 queens: OEIS A000170. */
const SIZES: Readonly<Record<WorkloadSize, { queens: number; tasks: number; answer: string }>> = {
  small: { queens: 8, tasks: 4, answer: '92' },
  default: { queens: 12, tasks: 6, answer: '14200' },
  full: { queens: 15, tasks: 15, answer: '2279184' },
}

export const nQueens: Workload = {
  name: 'n-queens',
  kind: 'scientific-compute',
  purpose: 'Counts the ways to put queens on a chess board so that none attacks another.',
  moduleName: 'n-queens',
  resources: { fuel: 5_000_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 64 },
  plan: (size) => plan(SIZES[size].queens, SIZES[size].tasks),
  expected: (size) => SIZES[size].answer,
}

/** A beginning is the column of the queen in the first row. */
function* plan(queens: number, tasks: number): Plan {
  const columns = Array.from({ length: queens }, (_, column) => column)
  const outputs = yield splitItems(columns, tasks).map((beginnings) => {
    const input = new InputWriter().u32(queens).u32(1).u32(beginnings.length)
    for (const column of beginnings) input.u8(column)
    return input.finish()
  })
  return sumOfCounts(outputs)
}
