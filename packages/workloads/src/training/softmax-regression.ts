import { AskeeError, digestOf, type Fuel } from '@askee/core'
import { IRIS_CLASSES, irisSamples, type Sample } from '../data/iris.ts'
import { splitItems } from '../ranges.ts'
import { doublesOf, InputWriter } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'
import { solvePositiveDefinite } from './cholesky.ts'

export interface Training {
  readonly shards: number
  /**
   * Weight of ½ |w|² beside the mean loss. It makes the loss strictly convex: there is one best set of weights, and
   * Newton's step is always defined.
   */
  readonly ridge: number
  /** Trained to convergence means: the gradient of the whole loss is shorter than this (Euclidean norm). */
  readonly gradientNorm: number
}

/** More than twice what convergence takes; a training that needs more has failed. */
const MOST_ROUNDS = 25

const TRAININGS: Readonly<Record<WorkloadSize, Training & { readonly answer: string }>> = {
  small: {
    shards: 2,
    ridge: 1e-2,
    gradientNorm: 1e-6,
    answer: 'converged in 7 rounds, 144 of 150 right, sha256 f36638abfbde9fa3',
  },
  default: {
    shards: 3,
    ridge: 1e-3,
    gradientNorm: 1e-8,
    answer: 'converged in 10 rounds, 146 of 150 right, sha256 a62b5382f1f90e17',
  },
  full: {
    shards: 10,
    ridge: 1e-6,
    gradientNorm: 1e-8,
    answer: 'converged in 16 rounds, 148 of 150 right, sha256 0d24de8f2ffce3a9',
  },
}

export const softmaxRegression: Workload = {
  name: 'softmax-regression',
  kind: 'ml-training',
  purpose: 'Trains a small model that tells three species of iris apart by the size of their flowers.',
  moduleName: 'softmax-regression',
  resources: { fuel: 200_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 65_536 },
  plan: (size) => train(irisSamples(), TRAININGS[size]),
  expected: (size) => TRAININGS[size].answer,
}

/** What training a campaign of this size does. */
export function trainingOf(size: WorkloadSize): Training {
  return TRAININGS[size]
}

/** Newton's method on the whole data set: each round every shard is a task that adds up gradient and Hessian. */
export function* train(samples: readonly Sample[], { shards, ridge, gradientNorm }: Training): Plan {
  const parts = splitItems(samples, shards)
  const weights = new Float64Array(IRIS_CLASSES * (samples[0]!.features.length + 1))
  for (let round = 1; round <= MOST_ROUNDS; round++) {
    const outputs = yield parts.map((part) => inputOf(part, weights))
    const { correct, gradient, hessian } = combine(outputs, weights, samples.length, ridge)
    if (norm(gradient) < gradientNorm) return summary(round, correct, samples.length, weights)
    const direction = solvePositiveDefinite(hessian, gradient)
    if (direction === undefined) throw diverged(round)
    for (let i = 0; i < weights.length; i++) weights[i]! -= direction[i]!
  }
  throw diverged(MOST_ROUNDS)
}

/** A finished training in one line. The digest covers every bit of every weight. */
function summary(rounds: number, correct: number, samples: number, weights: Float64Array): string {
  const digest = digestOf(new InputWriter().f64s(weights).finish()).slice(0, 16)
  return `converged in ${rounds} rounds, ${correct} of ${samples} right, sha256 ${digest}`
}

function inputOf(part: readonly Sample[], weights: Float64Array): Uint8Array {
  const input = new InputWriter()
    .u32(part[0]!.features.length)
    .u32(IRIS_CLASSES)
    .u32(part.length)
    .f64s(weights)
  for (const { features, label } of part) input.f64s(features).u32(label)
  return input.finish()
}

/** Mean loss over all shards, added up in their order, plus the ridge: its gradient and Hessian. */
function combine(outputs: readonly Uint8Array[], weights: Float64Array, samples: number, ridge: number) {
  const n = weights.length
  const sums = new Float64Array(n + (n * (n + 1)) / 2)
  let correct = 0
  for (const output of outputs) {
    const shard = doublesOf(output, 4, sums.length)
    correct += new DataView(output.buffer, output.byteOffset).getUint32(0, true)
    for (let i = 0; i < sums.length; i++) sums[i]! += shard[i]!
  }
  for (let i = 0; i < sums.length; i++) sums[i]! /= samples
  const gradient = sums.slice(0, n)
  const hessian = sums.slice(n)
  for (let i = 0; i < n; i++) {
    gradient[i]! += ridge * weights[i]!
    hessian[(i * (i + 1)) / 2 + i]! += ridge
  }
  return { correct, gradient, hessian }
}

function norm(vector: Float64Array): number {
  let sum = 0
  for (const value of vector) sum += value * value
  return Math.sqrt(sum)
}

/** With correct shard results this cannot happen on this data: someone's accepted output is wrong. */
function diverged(rounds: number): AskeeError<'workloads/bad-output'> {
  return new AskeeError('workloads/bad-output', `training did not converge within ${rounds} rounds`, {
    rounds,
  })
}
