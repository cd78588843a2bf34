import { digestOf, type Fuel, utf8 } from '@askee/core'
import { PROTEINS } from '../data/proteins.ts'
import { badOutput, InputWriter, textsOf } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'

type ProteinName = keyof typeof PROTEINS
export type ProteinPair = readonly [ProteinName, ProteinName]

/** The defaults of EMBOSS `water`, in halves of a score unit: 10 to open a gap, 0.5 to extend it. */
const GAP_OPEN = 20
const GAP_EXTEND = 1

/** Scores that `water` of EMBOSS 6.6.0 gives for the same pairs. */
const ALL_PAIRS = '36 scores, sum 2288.0, sha256 2bf264ae2b1fe8fc'
const ANSWERS: Readonly<Record<WorkloadSize, string>> = {
  small: '6 scores, sum 610.5, sha256 a353081395678a37',
  default: ALL_PAIRS,
  full: ALL_PAIRS,
}

export const smithWaterman: Workload = {
  name: 'smith-waterman',
  kind: 'data-processing',
  purpose: 'Compares proteins of people, hens and yeast to see how closely they are related.',
  moduleName: 'smith-waterman',
  resources: { fuel: 1_000_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 65_536 },
  plan: (size) => plan(pairsOf(size)),
  expected: (size) => ANSWERS[size],
}

/** The pairs of each task. */
export function pairsOf(size: WorkloadSize): readonly (readonly ProteinPair[])[] {
  const names = Object.keys(PROTEINS) as ProteinName[]
  const chosen = size === 'small' ? names.slice(0, 4) : names
  const tasks = chosen.slice(0, -1).map((a, i) => chosen.slice(i + 1).map((b) => [a, b] as const))
  return size === 'full' ? tasks.flat().map((pair) => [pair]) : tasks
}

function* plan(tasks: readonly (readonly ProteinPair[])[]): Plan {
  const outputs = yield tasks.map(inputOf)
  const scores = textsOf(outputs, 'one score a line', /^(?:\d{1,7}\.[05]\n)+$/).flatMap(([text], i) => {
    const lines = text.trimEnd().split('\n')
    if (lines.length !== tasks[i]?.length) throw badOutput(`${tasks[i]?.length} scores`, utf8(text))
    return lines
  })
  return summary(scores)
}

/** Scores as `water` prints them, in the order of `pairsOf`, in one line: how many, their sum, and a digest. */
export function summary(scores: readonly string[]): string {
  const sum = scores.reduce((total, score) => total + Number(score), 0)
  return `${scores.length} scores, sum ${sum.toFixed(1)}, sha256 ${digestOf(utf8(scores.join('\n'))).slice(0, 16)}`
}

function inputOf(pairs: readonly ProteinPair[]): Uint8Array {
  const input = new InputWriter().u32(GAP_OPEN).u32(GAP_EXTEND).u32(pairs.length)
  for (const name of pairs.flat()) {
    const letters = utf8(PROTEINS[name])
    input.u32(letters.length).bytes(letters)
  }
  return input.finish()
}
