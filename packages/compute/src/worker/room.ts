import type { CampaignId, NodeId } from '@askee/core'
import type { WorkerLease, WorkerState } from './state.ts'

/** What one requester, or all together, have here. */
export interface Usage {
  /** Leases not committed. */
  live: number
  /** Of these, fetching, waiting for a slot, or running. */
  busy: number
  /** All leases. */
  held: number
  /** Bytes of inputs and results: until a result is there, the most that it may be. */
  bytes: number
}

export function noUsage(): Usage {
  return { live: 0, busy: 0, held: 0, bytes: 0 }
}

/** What a lease and its result take beside their data. Bytes. */
export const LEASE_BYTES = 1024

export function isLive(lease: WorkerLease): boolean {
  return lease.stage !== 'committed' && lease.stage !== 'revealed'
}

/** The code of the refusal when there is no room for one more lease, else null (NET-5). */
export function roomFor(
  state: WorkerState,
  requester: NodeId,
  campaign: CampaignId,
  task: number,
  bytes: number,
): string | null {
  if (state.liveTasks.has(taskKey(campaign, task))) return 'compute/duplicate'
  const { queue, held, heldBytes, share } = state.config
  const own = state.usage.get(requester) ?? noUsage()
  const fits = (usage: Usage, part: number): boolean =>
    usage.live < Math.floor(queue * part) &&
    usage.held < Math.floor(held * part) &&
    usage.bytes + bytes <= heldBytes * part
  return fits(state.total, 1) && fits(own, share) ? null : 'compute/busy'
}

/** A lease was accepted. */
export function occupy(state: WorkerState, lease: WorkerLease): void {
  const own = state.usage.get(lease.requester) ?? noUsage()
  state.usage.set(lease.requester, own)
  for (const usage of [own, state.total]) {
    usage.live++
    usage.held++
    usage.bytes += lease.bytes
  }
  state.liveTasks.add(taskKey(lease.campaign, lease.task))
}

/** It is not live any more: it gives back its slot or its place in the queue. */
export function endLive(state: WorkerState, lease: WorkerLease): void {
  if (!isLive(lease)) return
  if (lease.stage === 'queued') state.queued = state.queued.filter((id) => id !== lease.id)
  state.liveTasks.delete(taskKey(lease.campaign, lease.task))
  for (const usage of usagesOf(state, lease)) {
    usage.live--
    if (lease.stage !== 'queued') usage.busy--
  }
}

/** Its result is there and takes so much. */
export function resize(state: WorkerState, lease: WorkerLease, bytes: number): void {
  for (const usage of usagesOf(state, lease)) usage.bytes += bytes - lease.bytes
  lease.bytes = bytes
}

/** It is forgotten. */
export function vacate(state: WorkerState, lease: WorkerLease): void {
  endLive(state, lease)
  state.leases.delete(lease.id)
  for (const usage of usagesOf(state, lease)) {
    usage.held--
    usage.bytes -= lease.bytes
  }
  if (state.usage.get(lease.requester)?.held === 0) state.usage.delete(lease.requester)
}

function usagesOf(state: WorkerState, lease: WorkerLease): Usage[] {
  const own = state.usage.get(lease.requester)
  return own === undefined ? [state.total] : [own, state.total]
}

function taskKey(campaign: CampaignId, task: number): string {
  return `${campaign}/${task}`
}
