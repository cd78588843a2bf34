import type { Context } from './context.ts'
import { undecidable } from './decision.ts'
import { settleLease } from './leases.ts'
import { DEADLINE_PASSED } from './state.ts'

/** The deadline: what is not decided now never will be. */
export function expire(ctx: Context): void {
  endAll(ctx, DEADLINE_PASSED)
}

/** Its requester wants no more of it. What is accepted stays; of a campaign whose every task is decided nothing is left to cancel. */
export function cancel(ctx: Context, reason: string): void {
  const { state } = ctx
  if (state.phase !== 'running' || state.open === 0) return
  state.cancelled = reason
  endAll(ctx, `cancelled by its requester: ${reason}`)
}

function endAll(ctx: Context, reason: string): void {
  const { state } = ctx
  state.tasks.forEach((task, index) => {
    if (task.outcome === null) undecidable(ctx, index, reason)
  })
  state.nextFresh = state.config.count
  // What was asked of nodes for tasks already decided is awaited no longer: nobody is blamed, nobody credited.
  for (const lease of Object.values(state.leases)) settleLease(ctx, lease, 'cancelled')
  ctx.changed = true
}
