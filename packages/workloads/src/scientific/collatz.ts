import type { Fuel } from '@askee/core'
import { splitRange } from '../ranges.ts'
import { InputWriter, textsOf } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'

/** Longest below 10^5, 10^6, 10^7: OEIS A006877 and A006878. */
const SIZES: Readonly<Record<WorkloadSize, { bound: number; tasks: number; answer: string }>> = {
  small: { bound: 1e5, tasks: 4, answer: '77031 with 350 steps' },
  default: { bound: 1e6, tasks: 6, answer: '837799 with 524 steps' },
  full: { bound: 1e7, tasks: 40, answer: '8400511 with 685 steps' },
}

export const collatz: Workload = {
  name: 'collatz',
  kind: 'scientific-compute',
  purpose: 'Looks for the number whose Collatz sequence (halve it, or triple it and add one) is longest.',
  moduleName: 'collatz',
  resources: { fuel: 2_000_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 64 },
  plan: (size) => plan(SIZES[size].bound, SIZES[size].tasks),
  expected: (size) => SIZES[size].answer,
}

function* plan(bound: number, tasks: number): Plan {
  const outputs = yield splitRange(1, bound, tasks).map(({ from, end }) =>
    new InputWriter().u64(from).u64(end).finish(),
  )
  let start = 0
  let longest = -1
  for (const match of textsOf(outputs, 'a start and its steps', /^(\d{1,15}) (\d{1,15})$/)) {
    const steps = Number(match[2])
    // Ranges come in ascending order: of equally long ones the first is the smallest.
    if (steps > longest) {
      longest = steps
      start = Number(match[1])
    }
  }
  return `${start} with ${longest} steps`
}
