import type { LeaseId, NodeId } from '@askee/core'
import { type Blame, blameOf } from './blame.ts'
import type { Context } from './context.ts'
import { noteFailure, noteMisfit, rest, strike } from './pool.ts'
import type { LeaseRecord, SettlementRecord } from './state.ts'

/** A lease that this node holds; anything else, however well signed, is nobody's. */
export function leaseOf(ctx: Context, lease: LeaseId, node: NodeId): LeaseRecord | undefined {
  const held = Object.hasOwn(ctx.state.leases, lease) ? ctx.state.leases[lease] : undefined
  return held?.node === node ? held : undefined
}

/** Takes a lease off its node's load when it stops being live. */
export function endLive(ctx: Context, lease: LeaseRecord): void {
  if (lease.stage !== 'live') return
  const node = ctx.state.nodes[lease.node]
  if (node !== undefined) node.inFlight--
  ctx.effects.push({ type: 'unwatch', lease: lease.id })
}

/** Forgets a lease. */
function removeLease(ctx: Context, lease: LeaseRecord): void {
  endLive(ctx, lease)
  delete ctx.state.leases[lease.id]
  const task = ctx.state.tasks[lease.task]
  if (task !== undefined) task.leases = task.leases.filter((id) => id !== lease.id)
  ctx.changed = true
}

/**
 * A lease that will give no result. The task wants another replica instead; the caller evaluates it.
 * @param blame what it says about the node, where the reason alone does not tell
 */
export function loseLease(
  ctx: Context,
  lease: LeaseRecord,
  reason: string,
  blame: Blame = blameOf(reason),
): void {
  const task = ctx.state.tasks[lease.task]
  const node = ctx.state.nodes[lease.node]
  removeLease(ctx, lease)
  if (task !== undefined && blame === 'failure') noteFailure(ctx, task, lease.node)
  if (node !== undefined) {
    if (task !== undefined && blame === 'misfit') noteMisfit(task, node)
    if (blame === 'failure' || blame === 'strike' || blame === 'misfit') strike(ctx, node)
    else if (blame === 'rest') rest(ctx, node)
    // Without consent nothing more is asked of it; when there is one again, it offers itself again.
    if (reason.startsWith('consent/') && blame === 'none') {
      node.present = false
      if (reason === 'consent/suspended') node.suspended = true
      else delete node.suspended
    }
  }
  ctx.effects.push({ type: 'lease-lost', task: lease.task, node: lease.node, lease: lease.id, reason })
}

/** Ends a lease with a word to its worker. */
export function settleLease(ctx: Context, lease: LeaseRecord, outcome: SettlementRecord['outcome']): void {
  const credit = outcome === 'accepted' && lease.vote !== null ? lease.vote.fuel : '0'
  removeLease(ctx, lease)
  const settlement: SettlementRecord = { node: lease.node, outcome, credit, receipt: lease.receipt }
  ctx.state.unsettled[lease.id] = settlement
  if (credit !== '0') {
    const before = BigInt(ctx.state.credit[lease.node] ?? '0')
    ctx.state.credit[lease.node] = (before + BigInt(credit)).toString()
  }
  ctx.effects.push({ type: 'settle', lease: lease.id, ...settlement })
}
