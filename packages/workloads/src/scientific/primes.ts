import type { Fuel } from '@askee/core'
import { splitRange } from '../ranges.ts'
import { InputWriter, sumOfCounts } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'

interface Bound {
  readonly bound: number
  readonly tasks: number
  readonly answer: string
}

/** Counts below 10^6, 10^8, 10^9: OEIS A006880. */
const PRIMES: Readonly<Record<WorkloadSize, Bound>> = {
  small: { bound: 1e6, tasks: 4, answer: '78498' },
  default: { bound: 1e8, tasks: 16, answer: '5761455' },
  full: { bound: 1e9, tasks: 64, answer: '50847534' },
}

/** Pairs below 10^6, 10^8, 10^9: OEIS A007508. */
const TWIN_PRIMES: Readonly<Record<WorkloadSize, Bound>> = {
  small: { bound: 1e6, tasks: 4, answer: '8169' },
  default: { bound: 1e8, tasks: 8, answer: '440312' },
  full: { bound: 1e9, tasks: 64, answer: '3424506' },
}

const RESOURCES = { fuel: 2_000_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 64 }

export const primes: Workload = {
  name: 'primes',
  kind: 'scientific-compute',
  purpose: 'Counts the prime numbers in a range.',
  moduleName: 'primes',
  resources: RESOURCES,
  plan: (size) => countRanges(PRIMES[size]),
  expected: (size) => PRIMES[size].answer,
}

export const twinPrimes: Workload = {
  name: 'twin-primes',
  kind: 'scientific-compute',
  purpose: 'Counts the pairs of prime numbers in a range that differ by two.',
  moduleName: 'twin-primes',
  resources: RESOURCES,
  plan: (size) => countRanges(TWIN_PRIMES[size]),
  expected: (size) => TWIN_PRIMES[size].answer,
}

function* countRanges({ bound, tasks }: Bound): Plan {
  const outputs = yield splitRange(0, bound, tasks).map(({ from, end }) =>
    new InputWriter().u64(from).u64(end).finish(),
  )
  return sumOfCounts(outputs)
}
