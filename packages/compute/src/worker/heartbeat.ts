import type { Heartbeat } from '../protocol/messages.ts'
import { MAX_BATCH } from '../protocol/names.ts'
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
