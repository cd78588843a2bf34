import type { Timestamp } from '@askee/core'
import { type EngineName, onlyEngine } from './engines.ts'
import { isPotential } from './pool.ts'
import type { CoordinatorState, NodeRecord } from './state.ts'

/** Who offered themselves for a campaign, and why some of them cannot be asked. */
export interface Volunteers {
  /** Could be given work, now or after a pause. */
  readonly ready: number
  /** The ready ones by the engine that they say they have. */
  readonly engines: Readonly<Partial<Record<EngineName, number>>>
  /** Away, or without consent now; they may offer themselves again. */
  readonly gone: number
  /** Proven wrong in this campaign. */
  readonly accused: number
  /** Whose consent ends before one task could, by its wall time. */
  readonly ending: number
  /** Whose consent allows too little disk for the last task that they were given. */
  readonly cramped: number
  /** Known for less than the campaign asks of conduct. */
  readonly disreputable: number
}

export function volunteersOf(state: CoordinatorState, now: Timestamp): Volunteers {
  const count = { ready: 0, gone: 0, accused: 0, ending: 0, cramped: 0, disreputable: 0 }
  const engines: Partial<Record<EngineName, number>> = {}
  for (const node of Object.values(state.nodes)) {
    const standing = standingOf(state, node, now)
    count[standing]++
    if (node.engine === null || standing !== 'ready') continue
    engines[node.engine] = (engines[node.engine] ?? 0) + 1
  }
  return { ...count, engines }
}

function standingOf(
  state: CoordinatorState,
  node: NodeRecord,
  now: Timestamp,
): Exclude<keyof Volunteers, 'engines'> {
  if (isPotential(state, node, now)) return node.cramped === true ? 'cramped' : 'ready'
  if (node.accused) return 'accused'
  if (!node.present) return 'gone'
  return node.reputation < state.config.minReputation ? 'disreputable' : 'ending'
}

/** The one engine that all volunteers have who could be asked, or, when none can, all who ever offered themselves. */
export function commonEngine(state: CoordinatorState, now: Timestamp): EngineName | null {
  const all = Object.values(state.nodes)
  const ready = all.filter((node) => isPotential(state, node, now))
  return onlyEngine(ready.length > 0 ? ready : all)
}

/** In words: `2 volunteers are here (wasmtime 2), 1 is gone`. */
export function tellVolunteers(volunteers: Volunteers): string {
  const { ready, engines, gone, accused, ending, cramped, disreputable } = volunteers
  const names = Object.entries(engines).map(([engine, count]) => `${engine} ${count}`)
  const here = `${ready === 1 ? '1 volunteer is' : `${ready} volunteers are`} here`
  const others: readonly (readonly [number, string])[] = [
    [gone, 'gone'],
    [accused, 'proven wrong'],
    [ending, 'under a consent that ends before a task could'],
    [cramped, 'under a consent that allows too little disk for it'],
    [disreputable, 'below the reputation asked for'],
  ]
  return [
    names.length === 0 ? here : `${here} (${names.join(', ')})`,
    ...others.flatMap(([count, why]) =>
      count === 0 ? [] : [`${count} ${count === 1 ? 'is' : 'are'} ${why}`],
    ),
  ].join(', ')
}
