import type { EnginePolicy } from '@askee/compute'
import type { ExecutorPolicy } from '@askee/sandbox'
import { usageError } from '../exit.ts'

/** How a node of the simulation misbehaves. */
export const FAULT_KINDS = ['liar', 'copier', 'colluder', 'crasher', 'silent', 'slow'] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** A campaign's largest f (packages/compute, manifest). */
const MAX_F = 10

export interface SimulationOptions {
  /** Workers; the requester is one agent more. */
  readonly nodes: number
  readonly faulty: number
  readonly f: number
  readonly faults: readonly FaultKind[]
  /** Names of workloads; empty when modules are given. */
  readonly workloads: readonly string[]
  readonly modules?: { readonly files: readonly string[]; readonly inputs: readonly string[] }
  readonly seed: number
  /** Of every agent, unless engines must differ, and of the reference. */
  readonly executor: ExecutorPolicy
  readonly engines: EnginePolicy
}

/**
 * Completes what the command line gave.
 * @throws AskeeError `cli/usage` when the parts contradict each other
 */
export function simulationOptions(
  given: {
    nodes: number
    faulty: number
    f?: number
    faults?: readonly FaultKind[]
    workload?: readonly string[]
    module?: readonly string[]
    input?: readonly string[]
    seed: number
    executor?: ExecutorPolicy
    engines?: EnginePolicy
  },
  known: readonly string[],
): SimulationOptions {
  const { nodes, faulty, seed } = given
  if (faulty > nodes) throw usageError(`--faulty ${faulty} is more than --nodes ${nodes}`)
  const f = given.f ?? Math.max(1, faulty)
  if (f > MAX_F)
    throw usageError(`f = ${f}: at most ${MAX_F} wrong answers per task can be tolerated; give --f`)
  if (f + 1 > nodes) {
    throw usageError(
      `f = ${f} needs at least ${f + 1} nodes to agree, and ${2 * f + 1} to vote in full; --nodes is ${nodes}`,
    )
  }
  const { executor = 'best', engines = 'any' } = given
  if (engines === 'diverse' && nodes < 2) throw usageError('--engines diverse needs at least 2 nodes')
  if (engines === 'diverse' && executor !== 'best') {
    throw usageError(
      `--engines diverse needs nodes with different engines, --executor ${executor} gives all the same; leave it out`,
    )
  }
  if (given.module !== undefined && given.workload !== undefined) {
    throw usageError('--module and --workload exclude each other')
  }
  if (given.input !== undefined && given.module === undefined) throw usageError('--input needs --module')
  for (const name of given.workload ?? []) {
    if (!known.includes(name)) throw usageError(`no workload "${name}"; there are: ${known.join(', ')}`)
  }
  return {
    nodes,
    faulty,
    f,
    faults: given.faults ?? FAULT_KINDS,
    workloads: given.module === undefined ? (given.workload ?? known) : [],
    ...(given.module === undefined ? {} : { modules: { files: given.module, inputs: given.input ?? [] } }),
    seed,
    executor,
    engines,
  }
}

/** What a node runs its tasks on: wasmtime and V8 in turn where engines must differ. */
export function executorOfNode(
  { engines, executor }: Pick<SimulationOptions, 'engines' | 'executor'>,
  node: number,
): ExecutorPolicy {
  if (engines === 'any') return executor
  return node % 2 === 0 ? 'native' : 'v8'
}

/**
 * Which faults each faulty node has. With as many nodes as kinds or more, every node has one kind; with fewer, a node has
 * several and draws one for each task, so that every kind asked for takes part.
 */
export function faultsByNode(
  options: Pick<SimulationOptions, 'faulty' | 'faults'>,
): readonly (readonly FaultKind[])[] {
  const kinds = [...new Set(options.faults)]
  return Array.from({ length: options.faulty }, (_, node) => {
    if (options.faulty >= kinds.length) return [kinds[node % kinds.length] as FaultKind]
    return kinds.filter((_kind, i) => i % options.faulty === node)
  })
}
