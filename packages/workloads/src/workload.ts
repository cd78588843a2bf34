import type { Fuel } from '@askee/core'

/** Kinds of work that a consent can allow; the same strings as in a consent token. */
export type WorkloadKind = 'ml-training' | 'data-processing' | 'scientific-compute'

/**
 * - `small`: at most 4 tasks a round of some milliseconds, for tests
 * - `default`: at most 16 tasks a round below 150 ms each, for a demonstration on one machine
 * - `full`: the large known answers, minutes of one core
 */
export type WorkloadSize = 'small' | 'default' | 'full'

/** What one task may need at most, at any size: limits to put into a campaign. */
export interface ResourceHint {
  /** Of version 1 of the determinism pass: more than twice what any task of the workload uses. */
  readonly fuel: Fuel
  /** The maximum memory that the module declares. */
  readonly memoryBytes: number
  readonly outputBytes: number
}

/**
 * A campaign of one or more rounds. Each round yields inputs, one a task; `next` takes the outputs of that round in
 * the same order; the answer is the return value. A plan has no clock, entropy or I/O: the same outputs lead to the
 * same inputs and the same answer. It throws AskeeError `workloads/bad-output` for outputs that no correct task gives.
 */
export type Plan = Generator<readonly Uint8Array[], string, readonly Uint8Array[]>

export interface Workload {
  readonly name: string
  readonly kind: WorkloadKind
  /** In plain words, for the people whose machines do the work. */
  readonly purpose: string
  /** What `loadModule` takes. */
  readonly moduleName: string
  readonly resources: ResourceHint
  plan(size: WorkloadSize): Plan
  /** The right answer, known from the literature, another program or an independent implementation. */
  expected(size: WorkloadSize): string
}

/** Every module is built with this maximum: 64 pages of 64 KiB. */
export const MODULE_MEMORY_BYTES = 64 * 65_536

/**
 * Carries a plan out: `runRound` gets the inputs of each round and resolves to the outputs in the same order.
 * @throws whatever `runRound` rejects with; AskeeError `workloads/bad-output`
 */
export async function carryOut(
  plan: Plan,
  runRound: (inputs: readonly Uint8Array[], round: number) => Promise<readonly Uint8Array[]>,
): Promise<string> {
  let turn = plan.next()
  for (let round = 1; !turn.done; round++) turn = plan.next(await runRound(turn.value, round))
  return turn.value
}
