import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { irisSamples, type Sample } from '../src/data/iris.ts'
import { carryOut, WORKLOADS } from '../src/index.ts'
import { solvePositiveDefinite } from '../src/training/cholesky.ts'
import { train, trainingOf } from '../src/training/softmax-regression.ts'
import { doublesOf, InputWriter } from '../src/wire.ts'
import { runModule } from './host.ts'
import { expOfNegative } from './reference/exp.ts'
import { lossSums } from './reference/softmax.ts'

const FEATURES = 4
const CLASSES = 3
const WEIGHTS = (FEATURES + 1) * CLASSES

/** What a task is given, read back. */
function parseInput(input: Uint8Array): { samples: Sample[]; weights: number[] } {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const doubles = (at: number, count: number) =>
    Array.from({ length: count }, (_, i) => view.getFloat64(at + 8 * i, true))
  expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([FEATURES, CLASSES])
  const stride = 8 * FEATURES + 4
  const samples = Array.from({ length: view.getUint32(8, true) }, (_, i) => {
    const at = 12 + 8 * WEIGHTS + stride * i
    return { features: doubles(at, FEATURES), label: view.getUint32(at + 8 * FEATURES, true) }
  })
  return { samples, weights: doubles(12, WEIGHTS) }
}

/** The task, done by the TypeScript reference in this process. */
function referenceTask(input: Uint8Array): Uint8Array {
  const { samples, weights } = parseInput(input)
  const { correct, gradient, hessian } = lossSums(samples, weights, CLASSES, expOfNegative)
  return new InputWriter().u32(correct).f64s(gradient).f64s(hessian).finish()
}

describe('softmax-regression', () => {
  it.each(['small', 'default', 'full'] as const)(
    'SIM-1 expects what one process with the same order of additions gets, bit for bit, size %s',
    async (size) => {
      const answer = await carryOut(train(irisSamples(), trainingOf(size)), async (inputs) =>
        inputs.map(referenceTask),
      )
      expect(WORKLOADS.get('softmax-regression')?.expected(size)).toBe(answer)
    },
  )

  it('WSM-1 adds a shard up to the bits of the reference, at any weights', async () => {
    const samples = irisSamples()
    const weights = fc.array(fc.double({ min: -300, max: 300, noNaN: true }), {
      minLength: WEIGHTS,
      maxLength: WEIGHTS,
    })
    await fc.assert(
      fc.asyncProperty(weights, fc.nat(140), async (values, from) => {
        const shard = samples.slice(from, from + 10)
        const input = new InputWriter().u32(FEATURES).u32(CLASSES).u32(shard.length).f64s(values)
        for (const { features, label } of shard) input.f64s(features).u32(label)
        const { output } = await runModule('softmax-regression', input.finish())
        expect(Buffer.from(output)).toEqual(Buffer.from(referenceTask(input.finish())))
      }),
      { numRuns: 60 },
    )
  })

  it('SIM-1 is trained to convergence: at the final weights an independent gradient vanishes', async () => {
    for (const size of ['small', 'default', 'full'] as const) {
      const { ridge, gradientNorm } = trainingOf(size)
      let weights: number[] = []
      await carryOut(train(irisSamples(), trainingOf(size)), async (inputs) => {
        weights = parseInput(inputs[0]!).weights
        return inputs.map(referenceTask)
      })
      const { gradient, correct } = lossSums(irisSamples(), weights, CLASSES, Math.exp)
      const whole = gradient.map((value, i) => value / 150 + ridge * weights[i]!)
      expect(Math.hypot(...whole)).toBeLessThan(2 * gradientNorm)
      expect(correct / 150).toBeGreaterThanOrEqual(0.96)
    }
  })

  it('SIM-1 gives the gradient and Hessian that finite differences of the loss and gradient show', () => {
    const samples = irisSamples().slice(0, 30)
    const at = Array.from({ length: WEIGHTS }, (_, i) => Math.sin(i))
    const { gradient, hessian } = lossSums(samples, at, CLASSES, Math.exp)
    const nudged = (i: number, by: number) => at.map((value, k) => (k === i ? value + by : value))
    const h = 1e-5
    for (let i = 0; i < WEIGHTS; i++) {
      const slope = (loss(samples, nudged(i, h)) - loss(samples, nudged(i, -h))) / (2 * h)
      expect(gradient[i]).toBeCloseTo(slope, 5)
      const up = lossSums(samples, nudged(i, h), CLASSES, Math.exp).gradient
      const down = lossSums(samples, nudged(i, -h), CLASSES, Math.exp).gradient
      for (let j = 0; j <= i; j++) {
        expect(hessian[(i * (i + 1)) / 2 + j]).toBeCloseTo((up[j]! - down[j]!) / (2 * h), 4)
      }
    }
  })

  it('CMP-1 stops with a coded error when accepted results are wrong and training cannot converge', () => {
    const plan = train(irisSamples(), trainingOf('small'))
    let turn = plan.next()
    const wrong = (input: Uint8Array) => {
      const output = referenceTask(input)
      output.fill(0xbf, 4 + 8 * WEIGHTS) // a Hessian of negative numbers
      return output
    }
    expect(() => {
      while (!turn.done) turn = plan.next(turn.value.map(wrong))
    }).toThrow(expect.objectContaining({ code: 'workloads/bad-output' }))
  })
})

function loss(samples: readonly Sample[], weights: readonly number[]): number {
  let sum = 0
  for (const { features, label } of samples) {
    const x = [...features, 1]
    const activations = Array.from({ length: CLASSES }, (_, c) =>
      x.reduce((total, value, i) => total + weights[c * x.length + i]! * value, 0),
    )
    sum += Math.log(activations.reduce((total, a) => total + Math.exp(a), 0)) - activations[label]!
  }
  return sum
}

it('SIM-1 the exponential of the task is that of the library but for the last bits', () => {
  fc.assert(
    fc.property(fc.double({ min: -708, max: 0, noNaN: true }), (x) => {
      expect(Math.abs(expOfNegative(x) / Math.exp(x) - 1)).toBeLessThan(4.5e-16)
    }),
    { numRuns: 2000 },
  )
  expect([expOfNegative(0), expOfNegative(-709)]).toEqual([1, 0])
})

it('SIM-1 Cholesky solves what it is given and says when a matrix is not positive definite', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 16, maxLength: 16 }),
      (m) => {
        // M Mᵀ + I is positive definite for every M.
        const entry = (i: number, j: number) =>
          [0, 1, 2, 3].reduce((sum, k) => sum + m[4 * i + k]! * m[4 * j + k]!, i === j ? 1 : 0)
        const rows = [0, 1, 2, 3]
        const triangle = Float64Array.from(rows.flatMap((i) => rows.slice(0, i + 1).map((j) => entry(i, j))))
        const b = Float64Array.of(1, -2, 3, 0.5)
        const x = solvePositiveDefinite(triangle, b)!
        for (const i of rows) {
          expect(rows.reduce((sum, j) => sum + entry(i, j) * x[j]!, 0)).toBeCloseTo(b[i]!, 8)
        }
      },
    ),
    { numRuns: 100 },
  )
  expect(solvePositiveDefinite(Float64Array.of(1, 2, 1), Float64Array.of(1, 1))).toBeUndefined()
})

it('SIM-1 measures the gradient over all shards', () => {
  const first = WORKLOADS.get('softmax-regression')!.plan('default').next().value as readonly Uint8Array[]
  const outputs = first.map((input) =>
    doublesOf(referenceTask(input), 4, WEIGHTS + (WEIGHTS * (WEIGHTS + 1)) / 2),
  )
  const total = lossSums(irisSamples(), new Array(WEIGHTS).fill(0), CLASSES, Math.exp).gradient
  for (let i = 0; i < WEIGHTS; i++) {
    expect(outputs.reduce((sum, output) => sum + output[i]!, 0)).toBeCloseTo(total[i]!, 9)
  }
})
