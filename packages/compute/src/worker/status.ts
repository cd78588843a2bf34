import type { WorkerStatus } from '../api.ts'
import { taskIdOf } from '../protocol/task-id.ts'
import type { WorkerState } from './state.ts'

/** The worker's state as others may see it. */
export function statusOf({ config, leases, completed, failed, refused, credit }: WorkerState): WorkerStatus {
  return {
    slots: config.slots,
    leases: [...leases.values()].map((lease) => ({
      lease: lease.id,
      campaign: lease.campaign,
      task: taskIdOf(lease.campaign, lease.task),
      requester: lease.requester,
      consent: lease.consent,
      module: lease.module,
      state: lease.stage,
      since: lease.since,
    })),
    completed,
    failed,
    refused,
    credit: new Map(credit),
  }
}
