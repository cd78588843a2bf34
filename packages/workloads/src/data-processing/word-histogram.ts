import { digestOf, type Fuel, utf8 } from '@askee/core'
import { syntheticText } from '../data/synthetic-text.ts'
import { textsOf } from '../wire.ts'
import { MODULE_MEMORY_BYTES, type Plan, type Workload, type WorkloadSize } from '../workload.ts'

const SEED = 20_240_229

const SIZES: Readonly<Record<WorkloadSize, { bytes: number; tasks: number; answer: string }>> = {
  small: { bytes: 64_000, tasks: 4, answer: '14757 words, 3590 different, sha256 1ebd7f5274bb7fc2' },
  default: { bytes: 512_000, tasks: 6, answer: '118162 words, 7776 different, sha256 a685271e83d2ec56' },
  full: { bytes: 6_400_000, tasks: 50, answer: '1477553 words, 8191 different, sha256 c37f76aa39685498' },
}

export const wordHistogram: Workload = {
  name: 'word-histogram',
  kind: 'data-processing',
  purpose: 'Counts how often each word occurs in a text.',
  moduleName: 'word-histogram',
  resources: { fuel: 1_000_000_000n as Fuel, memoryBytes: MODULE_MEMORY_BYTES, outputBytes: 1 << 20 },
  plan: (size) => plan(textOf(size), SIZES[size].tasks),
  expected: (size) => SIZES[size].answer,
}

/** The text that a campaign of this size counts. */
export function textOf(size: WorkloadSize): string {
  return syntheticText(SIZES[size].bytes, SEED)
}

function* plan(text: string, tasks: number): Plan {
  const outputs = yield shardsOf(text, tasks).map((shard) => utf8(shard))
  const total = new Map<string, number>()
  for (const [lines] of textsOf(outputs, 'a word and its count a line', /^(?:[a-z]+ \d{1,10}\n)*$/)) {
    for (const line of lines.trimEnd().split('\n')) {
      const [word = '', count] = line.split(' ')
      if (word !== '') total.set(word, (total.get(word) ?? 0) + Number(count))
    }
  }
  return summary(total)
}

/** A histogram in one line: how many words, how many different ones, and a digest of all counts. */
export function summary(histogram: ReadonlyMap<string, number>): string {
  let words = 0
  for (const count of histogram.values()) words += count
  const lines = [...histogram].map(([word, count]) => `${word} ${count}\n`).sort()
  const digest = digestOf(utf8(lines.join(''))).slice(0, 16)
  return `${words} words, ${histogram.size} different, sha256 ${digest}`
}

/** About equal parts, cut at spaces so that no word is divided. */
function shardsOf(text: string, parts: number): readonly string[] {
  const cuts = Array.from({ length: parts - 1 }, (_, i) =>
    text.indexOf(' ', Math.floor((text.length * (i + 1)) / parts)),
  )
  return [0, ...cuts].map((cut, i) => text.slice(cut, cuts[i]))
}
