/**
 * Inputs of the workloads that keep a processor busy for a few hundred milliseconds, for M-3: beside them the start of a
 * process is small. Each comes with an idle input that makes the same program do next to nothing.
 */
import { utf8 } from '@askee/core'
import { syntheticText } from '../src/data/synthetic-text.ts'
import { loadModule } from '../src/index.ts'
import { InputWriter } from '../src/wire.ts'
import { HISTOGRAM_MEMORY_BYTES, largeHistogramModule } from './large-histogram.ts'

export interface LargeCase {
  /** Of the workload, of its module, and of the C program in `c/`. */
  readonly name: string
  /** Before the pass. */
  readonly module: () => Promise<Uint8Array>
  readonly input: Uint8Array
  readonly idle: Uint8Array
  /** Linear memory, bytes. */
  readonly memoryBytes: number
}

const MEMORY_BYTES = 64 * 65_536

export function largeCases(): readonly LargeCase[] {
  return [
    workload('primes', range(0, 4e8), range(0, 0)),
    workload('twin-primes', range(0, 4e8), range(0, 0)),
    workload('n-queens', queens(14, 14), queens(14, 0)),
    workload('collatz', range(1, 2e6), range(1, 2)),
    workload('lucas-lehmer', exponent(8689), exponent(3)),
    workload('lennard-jones', particles(6_000), particles(0)),
    workload('smith-waterman', proteins(1, 10_000), proteins(0, 0)),
    {
      name: 'word-histogram',
      module: largeHistogramModule,
      input: utf8(syntheticText(500_000, 1).repeat(32)),
      idle: new Uint8Array(0),
      memoryBytes: HISTOGRAM_MEMORY_BYTES,
    },
    workload('softmax-regression', samples(5_000), samples(0)),
  ]
}

function workload(name: string, input: Uint8Array, idle: Uint8Array): LargeCase {
  return { name, module: () => loadModule(name), input, idle, memoryBytes: MEMORY_BYTES }
}

function range(from: number, end: number): Uint8Array {
  return new InputWriter().u64(from).u64(end).finish()
}

/** The solutions for n queens that begin in any of the first `beginnings` columns. */
function queens(n: number, beginnings: number): Uint8Array {
  const input = new InputWriter().u32(n).u32(1).u32(beginnings)
  for (let column = 0; column < beginnings; column++) input.u8(column)
  return input.finish()
}

function exponent(p: number): Uint8Array {
  return new InputWriter().u32(p).finish()
}

/** All pairs of `count` particles at reduced density 0.1, spread at random. */
function particles(count: number): Uint8Array {
  const box = Math.max(10, Math.cbrt(count / 0.1))
  const next = fractions(7)
  const input = new InputWriter().u32(count).u32(0).u32(count).f64(box).f64(3)
  return input.f64s(Array.from({ length: 3 * count }, () => next() * box)).finish()
}

function proteins(pairs: number, length: number): Uint8Array {
  const next = fractions(11)
  const letters = () =>
    utf8(Array.from({ length }, () => 'ARNDCQEGHILKMFPSTWYV'.charAt(Math.floor(next() * 20))).join(''))
  const input = new InputWriter().u32(20).u32(1).u32(pairs)
  for (let i = 0; i < 2 * pairs; i++) input.u32(length).bytes(letters())
  return input.finish()
}

/** 31 features and 8 classes: as many weights as the task takes. */
function samples(count: number): Uint8Array {
  const next = fractions(13)
  const input = new InputWriter().u32(31).u32(8).u32(count)
  input.f64s(Array.from({ length: 256 }, () => next() - 0.5))
  for (let i = 0; i < count; i++) input.f64s(Array.from({ length: 31 }, () => 2 * next() - 1)).u32(i % 8)
  return input.finish()
}

/** Numbers from 0 to below 1, the same on every machine (W. H. Press et al., Numerical Recipes in C, 1992, ranqd1). */
function fractions(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
