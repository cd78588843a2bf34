import type { Fuel } from '@askee/core'
import { InputWriter, textsOf } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'

/**
 * Exponents and what the test says of 2^p − 1. Which are prime: OEIS A000043. The residue of M9697 is the published
 * one; the others were computed with arbitrary-precision integers of another implementation (see the tests).
 */
const SIZES: Readonly<Record<WorkloadSize, Readonly<Record<number, string>>>> = {
  small: { 521: 'prime', 523: '42154e4ab2f76faf', 607: 'prime' },
  default: {
    1277: '5613a480590e78ba',
    1279: 'prime',
    2203: 'prime',
    2281: 'prime',
    3217: 'prime',
    4219: 'c37053aa065553ee',
    4253: 'prime',
    4423: 'prime',
  },
  full: { 9689: 'prime', 9697: 'a23dad2328692889', 9941: 'prime' },
}

export const lucasLehmer: Workload = {
  name: 'lucas-lehmer',
  kind: 'scientific-compute',
  purpose: 'Tests whether numbers of the form 2^p - 1 are prime.',
  moduleName: 'lucas-lehmer',
  resources: { fuel: 50_000_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 64 },
  plan: (size) => plan(Object.keys(SIZES[size]).map(Number)),
  expected: (size) => describe(Object.keys(SIZES[size]).map(Number), Object.values(SIZES[size])),
}

function* plan(exponents: readonly number[]): Plan {
  const outputs = yield exponents.map((p) => new InputWriter().u32(p).finish())
  const verdicts = textsOf(
    outputs,
    '"prime" or a residue of 16 hexadecimal digits',
    /^(?:prime|[0-9a-f]{16})$/,
  )
  return describe(
    exponents,
    verdicts.map(([text]) => text),
  )
}

function describe(exponents: readonly number[], verdicts: readonly string[]): string {
  return exponents.map((p, i) => `M${p} ${verdicts[i]}`).join(', ')
}
