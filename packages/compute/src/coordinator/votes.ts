import type { CoordinatorState, LeaseRecord, TaskRecord, Vote } from './state.ts'

/** Two votes are equal when output digest, trap and fuel are. */
export function keyOf(vote: Vote): string {
  return `${vote.output}/${vote.trap ?? ''}/${vote.fuel}`
}

/** A task's leases by how far they are. */
export interface Standing {
  readonly live: LeaseRecord[]
  readonly committed: LeaseRecord[]
  readonly asked: LeaseRecord[]
  readonly revealed: LeaseRecord[]
}

export function standing(state: CoordinatorState, task: TaskRecord): Standing {
  const out: Standing = { live: [], committed: [], asked: [], revealed: [] }
  for (const id of task.leases) {
    const lease = state.leases[id]
    if (lease !== undefined) out[lease.stage].push(lease)
  }
  return out
}

/** Replicas that the task lacks, counting those on their way. */
export function missingReplicas(task: TaskRecord): number {
  return task.wanted - task.leases.length
}

/** Equal votes together, largest group first. */
export function groupVotes(revealed: readonly LeaseRecord[]): LeaseRecord[][] {
  const groups = new Map<string, LeaseRecord[]>()
  for (const lease of revealed) {
    if (lease.vote === null) continue
    const key = keyOf(lease.vote)
    const held = groups.get(key)
    if (held === undefined) groups.set(key, [lease])
    else held.push(lease)
  }
  return [...groups.values()].sort((a, b) => b.length - a.length)
}
