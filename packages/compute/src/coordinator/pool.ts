import type { Milliseconds, NodeId, Timestamp } from '@askee/core'
import type { Context } from './context.ts'
import type { CoordinatorEvent } from './events.ts'
import type { CoordinatorPolicy, CoordinatorState, NodeRecord, TaskRecord } from './state.ts'

/** Most tasks that a node is believed to run at once, whatever it says. */
const MAX_SLOTS = 64
/** Most leases that a node holds uncommitted, however quick it is: one that then keeps them all holds up so many tasks. */
const MAX_WINDOW = 256
/** Failures of its own that one node may have at one task. */
const TRIES = 4

/** Registers a node with its capabilities, or renews what is known of it (CMP-10). */
export function offered(ctx: Context, event: CoordinatorEvent & { type: 'offered' }): void {
  const { state, now } = ctx
  const known = state.nodes[event.node]
  const slots = Math.min(event.slots, MAX_SLOTS)
  const queue = Math.min(event.queue, MAX_WINDOW)
  const base = Math.min(queue, slots + state.config.policy.prefetch)
  if (event.replaces !== null) forget(state, event.replaces)
  const node: NodeRecord = {
    id: event.node,
    consent: event.consent,
    consentExpires: event.consentExpires,
    operator: event.operator,
    reputation: event.reputation,
    engine: event.engine ?? null,
    slots,
    queue,
    present: true,
    accused: known?.accused ?? false,
    inFlight: known?.inFlight ?? 0,
    window: Math.min(queue, known?.window ?? base),
    strikes: known?.strikes ?? 0,
    backoffUntil: known?.backoffUntil ?? 0,
    ...(known?.cramped === true && known.consent === event.consent ? { cramped: true as const } : {}),
  }
  // Nodes offer themselves at every announcement; the journal need not hold what it holds already.
  if (known?.present && JSON.stringify(known) === JSON.stringify(node)) return
  if (!known?.present) {
    state.poolChangedAt = now
    ctx.effects.push({ type: 'registered', node: event.node })
  }
  state.nodes[event.node] = node
  ctx.changed = true
}

/** Nobody's place is freed but of who is gone, holds nothing and was not proven wrong. */
export function isReplaceable(node: NodeRecord): boolean {
  return !node.present && !node.accused && node.inFlight === 0
}

function forget(state: CoordinatorState, id: NodeId): void {
  const node = Object.hasOwn(state.nodes, id) ? state.nodes[id] : undefined
  if (node !== undefined && isReplaceable(node)) delete state.nodes[id]
}

/** Whether the node could work for this campaign, now or after a back-off. */
export function isPotential(state: CoordinatorState, node: NodeRecord, now: Timestamp): boolean {
  return node.present && couldWork(state, node, now)
}

/**
 * Whether its owner suspended the consent, and may resume it: such a node is waited for until the deadline, or the end of
 * its consent, and not given up like one of which nothing is known.
 */
export function mayReturn(state: CoordinatorState, node: NodeRecord, now: Timestamp): boolean {
  return !node.present && node.suspended === true && couldWork(state, node, now)
}

function couldWork(state: CoordinatorState, node: NodeRecord, now: Timestamp): boolean {
  return (
    !node.accused &&
    node.reputation >= state.config.minReputation &&
    node.consentExpires > now + state.config.wallTime
  )
}

/** Whether the node can be given work now. */
export function isAvailable(state: CoordinatorState, node: NodeRecord, now: Timestamp): boolean {
  return isPotential(state, node, now) && now >= node.backoffUntil
}

/** Whether the node may ever have a replica of this task: one vote a node, not again what it failed repeatedly or can never do. */
export function couldTake(state: CoordinatorState, task: TaskRecord, node: NodeId): boolean {
  if ((task.tried[node]?.failures ?? 0) >= TRIES) return false
  const misfit = task.misfits?.[node]
  if (misfit !== undefined && misfit === state.nodes[node]?.consent) return false
  return !task.leases.some((lease) => state.leases[lease]?.node === node)
}

/** Whether it may have one now: others come first while a node waits after its own failure. */
export function mayTake(state: CoordinatorState, task: TaskRecord, node: NodeId, now: Timestamp): boolean {
  return now >= (task.tried[node]?.until ?? 0) && couldTake(state, task, node)
}

/**
 * The node failed at this task by its own doing. It may try again after a while, and when many failed, the task itself
 * waits: work that fails everywhere must not keep a large pool busy.
 */
export function noteFailure({ state, now }: Context, task: TaskRecord, node: NodeId): void {
  const { policy, f } = state.config
  const failures = (task.tried[node]?.failures ?? 0) + 1
  task.tried[node] = { failures, until: now + backoff(policy, failures) }
  task.losses++
  const beyond = task.losses - policy.lossFactor * (2 * f + 1)
  if (beyond > 0) task.pausedUntil = now + backoff(policy, beyond)
}

/** Under its consent now the node can never do this task: its module or its input is too large. */
export function noteMisfit(task: TaskRecord, node: NodeRecord): void {
  task.misfits = { ...task.misfits, [node.id]: node.consent }
  node.cramped = true
}

function backoff({ backoffBase, backoffCap }: CoordinatorPolicy, times: number): Milliseconds {
  return Math.min(backoffCap, backoffBase * 2 ** Math.min(times - 1, 30))
}

/** A commitment came: the node is alive, and its speed says how much it may hold. */
export function rewardCommit(state: CoordinatorState, node: NodeRecord, turnaround: number): void {
  const { policy } = state.config
  node.strikes = 0
  delete node.cramped
  if (turnaround <= policy.quickTurnaround) node.window = Math.min(node.queue, node.window + 1)
  else if (turnaround > policy.slowTurnaround) {
    node.window = Math.max(Math.min(node.queue, node.slots + policy.prefetch), node.window - 1)
  }
}

/** A lease came to nothing: the node gets less, and nothing for a while. */
export function strike(ctx: Context, node: NodeRecord): void {
  const { policy } = ctx.state.config
  // Leases lost together, in one batch, are one misfortune.
  if (node.backoffUntil > ctx.now) return
  node.strikes++
  node.window = 1
  node.backoffUntil = ctx.now + backoff(policy, node.strikes)
}

/** The node said it is busy: no blame, a little rest. */
export function rest(ctx: Context, node: NodeRecord): void {
  node.window = Math.max(1, Math.floor(node.window / 2))
  node.backoffUntil = Math.max(node.backoffUntil, ctx.now + ctx.state.config.policy.busyBackoff)
}
