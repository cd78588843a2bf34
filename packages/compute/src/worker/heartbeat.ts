import { decode, encode, type LeaseId, type Mesh, type NodeId, type RequestOptions } from '@askee/core'
import { dropSchema, type Heartbeat } from '../protocol/messages.ts'
import { MAX_BATCH, MAX_MESSAGE_BYTES, PROTOCOLS } from '../protocol/names.ts'
import { refusalCode } from '../protocol/refusal.ts'
import type { WorkerLease } from './state.ts'

/** Campaigns in one heartbeat, at most. */
const MAX_CAMPAIGNS = 64

/**
 * What one requester is told of its leases. Those without a commitment come first: silence about them loses them,
 * while committed ones are named only so that forgotten results can be dropped.
 */
export function heartbeatOf(leases: readonly Pick<WorkerLease, 'id' | 'campaign' | 'stage'>[]): Heartbeat {
  const settled = (lease: { stage: WorkerLease['stage'] }): boolean =>
    lease.stage === 'committed' || lease.stage === 'revealed'
  const ordered = [...leases.filter((lease) => !settled(lease)), ...leases.filter(settled)]
  const campaigns = [...Map.groupBy(ordered, ({ campaign }) => campaign)]
    .slice(0, MAX_CAMPAIGNS)
    .map(([campaign, own]) => ({ campaign, leases: own.slice(0, MAX_BATCH).map(({ id }) => id) }))
  return { v: 1, campaigns }
}

/** What a heartbeat about so many leases takes, with its answer, at most about: a lease is 34 bytes, a campaign 80. */
export function heartbeatBytes(leases: number): number {
  return 512 + 40 * Math.min(leases, MAX_CAMPAIGNS * MAX_BATCH)
}

/** Tells one requester of its leases; those that it does not want any more. Never rejects. */
export async function sendHeartbeat(
  mesh: Mesh,
  requester: NodeId,
  leases: readonly WorkerLease[],
  options: RequestOptions,
): Promise<readonly LeaseId[]> {
  try {
    const answer = await mesh.request(requester, PROTOCOLS.heartbeat, encode(heartbeatOf(leases)), options)
    return decode(answer, dropSchema, MAX_MESSAGE_BYTES).drop
  } catch (error) {
    // It does not know this node any more, so its leases are worth nothing. After any other failure the next heartbeat
    // may arrive; if none does, the requester gives the leases to others.
    return refusalCode(error) === 'compute/not-registered' ? leases.map(({ id }) => id) : []
  }
}
