/**
 * Real tasks with known answers: for demonstrations, for tests, and as examples of how to write a task of one's own.
 *
 * A workload is a module (source in `assembly/`, written with the kit in `assembly/kit/`) and a plan that makes its
 * inputs and puts its outputs together to an answer, round by round:
 *
 *     const { moduleName, plan, expected } = WORKLOADS.get('primes')!
 *     const module = await loadModule(moduleName)
 *     const answer = await carryOut(plan('small'), (inputs) => runOnTheMesh(module, inputs))
 *     // answer === expected('small')
 */
import { smithWaterman } from './data-processing/smith-waterman.ts'
import { wordHistogram } from './data-processing/word-histogram.ts'
import { collatz } from './scientific/collatz.ts'
import { lennardJones } from './scientific/lennard-jones.ts'
import { lucasLehmer } from './scientific/lucas-lehmer.ts'
import { nQueens } from './scientific/n-queens.ts'
import { primes, twinPrimes } from './scientific/primes.ts'
import { softmaxRegression } from './training/softmax-regression.ts'
import type { Workload } from './workload.ts'

export { loadModule } from './load-module.ts'
export {
  carryOut,
  type Plan,
  type ResourceHint,
  type Workload,
  type WorkloadKind,
  type WorkloadSize,
} from './workload.ts'

/** All workloads by name, in the order in which they are shown. */
export const WORKLOADS: ReadonlyMap<string, Workload> = new Map(
  [
    primes,
    twinPrimes,
    nQueens,
    collatz,
    lucasLehmer,
    lennardJones,
    smithWaterman,
    wordHistogram,
    softmaxRegression,
  ].map((workload) => [workload.name, workload]),
)
