import type { EngineDescription } from '@askee/sandbox'
import type { CoordinatorConfig, CoordinatorState, LeaseRecord, NodeRecord, TaskRecord } from './state.ts'
import { groupVotes, missingReplicas, standing } from './votes.ts'

/** What a node says that it runs tasks in. A claim: nothing here can tell whether it is true. */
export type EngineName = EngineDescription['engine']

/**
 * - `any`: votes count whatever engine they come from
 * - `diverse`: a result counts only when nodes with at least two engines agree on it, so that a fault of one engine, which
 *   all its honest nodes share, cannot pass for the right answer
 */
export type EnginePolicy = 'any' | 'diverse'

type Engined = Pick<NodeRecord, 'engine'>

/** The one engine that all who said theirs have, or null when there are several or none. */
export function onlyEngine(all: Iterable<Engined>): EngineName | null {
  let only: EngineName | null = null
  for (const { engine } of all) {
    if (only !== null && engine !== null && engine !== only) return null
    only ??= engine
  }
  return only
}

/** Whether they have as many engines as the campaign asks for. Who did not say which counts for none. */
export function areDiverse(
  { engines }: Pick<CoordinatorConfig, 'engines'>,
  all: readonly Engined[],
): boolean {
  const known = new Set(all.map(({ engine }) => engine).filter((engine) => engine !== null))
  return engines !== 'diverse' || known.size > 1
}

/**
 * The engine that the task's next replica may not run on, or null: that of f+1 equal votes which are all from one engine,
 * and that of all replicas so far when the next one is the last.
 */
export function barredEngine(state: CoordinatorState, task: TaskRecord): EngineName | null {
  if (state.config.engines !== 'diverse') return null
  const { live, committed, asked, revealed } = standing(state, task)
  const agreed = agreedByOne(state.config, revealed)
  if (agreed !== null || missingReplicas(task) > 1) return agreed
  return onlyEngine([...live, ...committed, ...asked, ...revealed])
}

/** The engine of f+1 equal votes that do not count yet, because no other engine agrees. */
export function agreedByOne(config: CoordinatorConfig, revealed: readonly LeaseRecord[]): EngineName | null {
  if (config.engines !== 'diverse') return null
  const leading = groupVotes(revealed)[0] ?? []
  return leading.length > config.f ? onlyEngine(leading) : null
}

/** @param barred what `barredEngine` said; null bars nobody */
export function suits(node: Engined, barred: EngineName | null): boolean {
  return barred === null || node.engine !== barred
}

/** Why a task goes no further. */
export function needsOther(engine: EngineName): string {
  return `needs an engine other than ${engine}`
}
