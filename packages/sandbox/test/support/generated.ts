import { createHash } from 'node:crypto'
import type { Fuel } from '@askee/core'
import { instrument } from '@askee/wasm'
import { generateModule } from '@askee/wasm/testing'
import type { ExecutionRequest, Executor } from '../../src/index.ts'
import { told } from '../../src/testing/index.ts'

const INPUT = Uint8Array.from({ length: 40 }, (_, index) => index * 7)
const OUTPUT_BYTES = 65_536
/** A little more than what the entry of a generated module writes at its end. */
const LITTLE_OUTPUT_BYTES = 1_040
const ENDLESS_CALLS = 1_000_000_000
/** Generated modules declare at most three pages. */
const MEMORY_BYTES = 4 * 65_536

/** The module of a seed: `run` and `step` by turns; every eleventh may recurse until fuel or stack end it. */
export function generatedModule(seed: number): Uint8Array {
  const entry = seed % 2 === 0 ? 'run' : 'step'
  return generateModule(seed, { entry, nan: 'seen', ...(seed % 11 === 0 ? { calls: ENDLESS_CALLS } : {}) })
}

/**
 * The task of a seed: every fifth has so little fuel that most run out of it, every seventh may write little, which three
 * steps or a few writes exceed.
 */
export function generatedRequest(seed: number): ExecutionRequest {
  const { bytes } = instrument(generatedModule(seed), { abi: 'askee' })
  const fuel = (seed % 5 === 0 ? 1_000n : 10_000_000n) as Fuel
  const outputBytes = seed % 7 === 0 ? LITTLE_OUTPUT_BYTES : OUTPUT_BYTES
  const limits = { fuel, memoryBytes: MEMORY_BYTES, outputBytes, wallTime: 600_000 }
  return { module: bytes, input: INPUT, limits }
}

/** The answer to a task with the digest of what ran: where sources changed during a run, the modules differ, not the engines. */
export function answerOf(module: Uint8Array, answer: string): string {
  return `${createHash('sha256').update(module).digest('hex').slice(0, 12)} ${answer}`
}

/** What `executor` says of each seed, `width` at a time. */
export async function answersOf(
  executor: Executor,
  seeds: readonly number[],
  width: number,
): Promise<Map<number, string>> {
  const answers = new Map<number, string>()
  const waiting = [...seeds]
  const work = async (): Promise<void> => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const request = generatedRequest(seed)
      const outcome = await (await executor.execute(request)).outcome
      const answer = outcome.kind === 'fault' ? `${outcome.code}: ${outcome.message}` : told(outcome)
      answers.set(seed, answerOf(request.module, answer))
    }
  }
  await Promise.all(Array.from({ length: width }, work))
  return answers
}

/** Seeds on which the answers differ, with what each said. */
export function disagreements(named: Readonly<Record<string, ReadonlyMap<number, string>>>): string[] {
  const [first, ...others] = Object.entries(named)
  if (first === undefined) return []
  const differing = [...first[1].keys()].filter((seed) =>
    others.some(([, answers]) => answers.get(seed) !== first[1].get(seed)),
  )
  return differing.map((seed) =>
    [`seed ${seed}`, ...Object.entries(named).map(([name, answers]) => `${name}: ${answers.get(seed)}`)].join(
      '\n  ',
    ),
  )
}
