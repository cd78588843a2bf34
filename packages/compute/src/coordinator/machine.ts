import type { LeaseId } from '@askee/core'
import { fromHex } from '@askee/core'
import { commitmentOf } from '../protocol/result.ts'
import { assign } from './assignment.ts'
import type { Context } from './context.ts'
import { breakCommitment, dropLive, evaluate } from './decision.ts'
import { cancel } from './ending.ts'
import type { CoordinatorEffect, CoordinatorEvent } from './events.ts'
import { endLive, leaseOf, loseLease } from './leases.ts'
import { offered, rewardCommit } from './pool.ts'
import { type CoordinatorState, DEADLINE_PASSED } from './state.ts'
import { sweep } from './sweep.ts'

export interface CoordinatorStep {
  readonly state: CoordinatorState
  readonly effects: readonly CoordinatorEffect[]
  /** Whether the journal must hold the event before the effects are carried out. */
  readonly changed: boolean
}

/**
 * The coordinator of one campaign. Deterministic: the same state and event give the same state and effects. `state`
 * is changed in place and returned (see CoordinatorState). An event about a lease, node or task that is not known,
 * or that comes twice or too late, changes nothing.
 */
export function step(state: CoordinatorState, event: CoordinatorEvent): CoordinatorStep {
  const ctx: Context = { state, now: event.now, effects: [], changed: false }
  apply(ctx, event)
  finish(ctx)
  return { state, effects: ctx.effects, changed: ctx.changed || ctx.effects.length > 0 }
}

function apply(ctx: Context, event: CoordinatorEvent): void {
  switch (event.type) {
    case 'offered':
      offered(ctx, event)
      return
    case 'refused':
      refused(ctx, event)
      return
    case 'committed':
      committed(ctx, event)
      return
    case 'revealed':
      revealed(ctx, event)
      return
    case 'progressed':
      progressed(ctx, event)
      return
    case 'lost':
      lost(ctx, event)
      return
    case 'departed':
      departed(ctx, event)
      return
    case 'settled':
      for (const lease of event.leases) delete ctx.state.unsettled[lease]
      ctx.changed = true
      return
    case 'resumed':
      resumed(ctx)
      return
    case 'cancelled':
      cancel(ctx, event.reason)
      return
    case 'assign':
      assign(ctx, event.entropy)
      return
    case 'sweep':
      sweep(ctx)
      return
    default:
      event satisfies never
  }
}

function refused(ctx: Context, event: CoordinatorEvent & { type: 'refused' }): void {
  for (const { lease: id, code } of event.refusals) {
    const lease = leaseOf(ctx, id, event.node)
    if (lease?.stage !== 'live') continue
    loseLease(ctx, lease, code)
    evaluate(ctx, lease.task)
  }
}

function committed(ctx: Context, event: CoordinatorEvent & { type: 'committed' }): void {
  const node = ctx.state.nodes[event.node]
  for (const { lease: id, hash } of event.commits) {
    const lease = leaseOf(ctx, id, event.node)
    if (lease?.stage !== 'live' || node === undefined) continue
    endLive(ctx, lease)
    lease.stage = 'committed'
    lease.commitment = { hash, document: event.document }
    lease.committedAt = ctx.now
    ctx.changed = true
    ctx.effects.push({ type: 'committed', task: lease.task, node: event.node })
    rewardCommit(ctx.state, node, ctx.now - lease.issued)
    evaluate(ctx, lease.task)
  }
}

function revealed(ctx: Context, event: CoordinatorEvent & { type: 'revealed' }): void {
  const touched = new Set<number>()
  for (const reveal of event.reveals) {
    const lease = leaseOf(ctx, reveal.lease, event.node)
    if (lease?.stage !== 'asked' || lease.commitment === null) continue
    touched.add(lease.task)
    lease.receipt = event.document
    ctx.changed = true
    const hash = commitmentOf(reveal.claim, fromHex(reveal.nonce), event.node, lease.id)
    if (hash === lease.commitment.hash) {
      lease.stage = 'revealed'
      lease.vote = reveal.vote
    } else breakCommitment(ctx, lease)
  }
  for (const index of touched) evaluate(ctx, index)
}

function progressed(ctx: Context, event: CoordinatorEvent & { type: 'progressed' }): void {
  for (const lease of Object.values(ctx.state.leases)) {
    if (lease.node !== event.node || lease.stage !== 'asked') continue
    lease.askedAt = ctx.now
    ctx.changed = true
  }
}

function lost(ctx: Context, event: CoordinatorEvent & { type: 'lost' }): void {
  for (const { lease: id, node, reason } of event.losses) {
    const lease = leaseOf(ctx, id, node)
    if (lease === undefined || lease.stage === 'revealed') continue
    loseLease(ctx, lease, reason)
    evaluate(ctx, lease.task)
  }
}

function departed(ctx: Context, event: CoordinatorEvent & { type: 'departed' }): void {
  const node = ctx.state.nodes[event.node]
  if (node === undefined) return
  node.present = false
  delete node.suspended
  ctx.changed = true
  dropLive(ctx, event.node, event.reason)
}

/**
 * After a restart: reveals that were asked are asked again with fresh time, settlements are sent again. Live leases go
 * on: their workers still hold them, and those that do not are found out by their heartbeats.
 */
function resumed(ctx: Context): void {
  const { state, now } = ctx
  ctx.changed = true
  for (const lease of Object.values(state.leases)) {
    if (lease.stage !== 'asked') continue
    lease.askedAt = now
    ctx.effects.push({ type: 'reveal', node: lease.node, lease: lease.id })
  }
  for (const [lease, settlement] of Object.entries(state.unsettled)) {
    ctx.effects.push({ type: 'settle', lease: lease as LeaseId, ...settlement })
  }
}

/** Ends the campaign when every task is decided and nobody owes a reveal. */
function finish(ctx: Context): void {
  const { state } = ctx
  if (state.phase !== 'running' || state.open > 0) return
  for (const _ in state.leases) return
  // What was decided in time is finished, however late the last word about it came.
  const isExpired = state.tasks.some(
    ({ outcome }) => outcome?.kind === 'undecidable' && outcome.reason === DEADLINE_PASSED,
  )
  const decided = isExpired ? 'expired' : 'finished'
  state.phase = state.cancelled === undefined ? decided : 'cancelled'
  ctx.changed = true
  ctx.effects.push({ type: 'finished' })
}
