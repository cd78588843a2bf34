import type { Fuel } from '@askee/core'
import { NIST_CONFIGURATION_4 } from '../data/nist-configuration-4.ts'
import { type Range, splitRange } from '../ranges.ts'
import { doublesOf, InputWriter } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'

const TASKS: Readonly<Record<WorkloadSize, number>> = { small: 3, default: 6, full: 30 }
const CUTOFF = 3

/** All digits of the double: rows are added up in one order, however they were shared. */
const ENERGY = '-16.790321304625852'

export const lennardJones: Workload = {
  name: 'lennard-jones',
  kind: 'scientific-compute',
  purpose:
    'Computes the energy of a small fluid of simple particles, as used to check molecular simulations.',
  moduleName: 'lennard-jones',
  resources: { fuel: 200_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 65_536 },
  plan: (size) => plan(TASKS[size]),
  expected: () => ENERGY,
}

function* plan(tasks: number): Plan {
  const { box, positions } = NIST_CONFIGURATION_4
  const particles = positions.length / 3
  const shards = splitRange(0, particles, tasks)
  const outputs = yield shards.map((rows) => inputOf(rows, box, positions))
  let energy = 0
  for (const [i, { from, end }] of shards.entries()) {
    for (const row of doublesOf(outputs[i] ?? new Uint8Array(), 0, end - from)) energy += row
  }
  return String(energy)
}

function inputOf(rows: Range, box: number, positions: readonly number[]): Uint8Array {
  const input = new InputWriter()
    .u32(positions.length / 3)
    .u32(rows.from)
    .u32(rows.end)
  return input.f64(box).f64(CUTOFF).f64s(positions).finish()
}
