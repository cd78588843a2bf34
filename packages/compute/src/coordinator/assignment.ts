import type { NodeId } from '@askee/core'
import type { Context } from './context.ts'
import { areDiverse, barredEngine, type EngineName, suits } from './engines.ts'
import { Entropy } from './entropy.ts'
import { isAvailable, mayTake } from './pool.ts'
import type { LeaseRecord, NodeRecord, TaskRecord } from './state.ts'
import { missingReplicas } from './votes.ts'

/** Candidates looked at for one task. With more nodes a random sample is as good and keeps the cost level. */
const SAMPLE = 64

interface Pool {
  /** Can be given work and have room, in random order. */
  roomy: NodeRecord[]
  /** Can be given work, with room or without. */
  readonly available: number
  readonly settled: boolean
  readonly entropy: Entropy
}

/**
 * Hands out leases: first to tasks that want more replicas, then to fresh ones in order. A fresh task gets all its
 * 2f+1 replicas at once or waits for room, so that no node runs ahead of the others without bound.
 */
export function assign(ctx: Context, seed: string): void {
  const { state } = ctx
  if (state.phase !== 'running') return
  const pool = poolOf(ctx, seed)
  if (pool.roomy.length === 0) return
  assignRetries(ctx, pool)
  while (state.nextFresh < state.config.count) {
    const index = state.nextFresh
    const task = state.tasks[index] as TaskRecord
    if (task.outcome === null) {
      const target = pool.settled ? Math.min(task.wanted, pool.available) : task.wanted
      if (pool.roomy.length < target || target === 0) return
      // Nodes of one engine must not run ahead of the others, with votes that could not decide anything.
      if (!areDiverse(state.config, pool.roomy)) return
      place(ctx, pool, index, task, target)
      state.active[index] = true
      if (missingReplicas(task) > 0) state.retry.push(index)
    }
    state.nextFresh++
    ctx.changed = true
  }
}

function poolOf(ctx: Context, seed: string): Pool {
  const { state, now } = ctx
  const entropy = new Entropy(seed)
  const roomy: { readonly node: NodeRecord; readonly tie: number }[] = []
  let available = 0
  for (const node of Object.values(state.nodes)) {
    if (!isAvailable(state, node, now)) continue
    available++
    if (node.inFlight < node.window) roomy.push({ node, tie: entropy.word() })
  }
  roomy.sort((a, b) => a.tie - b.tie)
  return {
    roomy: roomy.map((entry) => entry.node),
    available,
    settled: now - state.poolChangedAt >= state.config.policy.poolSettle,
    entropy,
  }
}

function assignRetries(ctx: Context, pool: Pool): void {
  const { state } = ctx
  const left: number[] = []
  for (const index of state.retry) {
    const task = state.tasks[index]
    if (task === undefined || task.outcome !== null) continue
    const missing = missingReplicas(task)
    if (missing > 0 && pool.roomy.length > 0 && ctx.now >= task.pausedUntil)
      place(ctx, pool, index, task, missing)
    if (missingReplicas(task) > 0) left.push(index)
  }
  if (left.length !== state.retry.length) ctx.changed = true
  state.retry = left
}

/** Gives up to `count` replicas of a task to distinct nodes. */
function place(ctx: Context, pool: Pool, index: number, task: TaskRecord, count: number): void {
  const operators = new Set<NodeId>()
  for (const id of task.leases) {
    const node = ctx.state.leases[id]?.node
    const operator = node === undefined ? undefined : ctx.state.nodes[node]?.operator
    if (operator !== undefined) operators.add(operator)
  }
  const candidates = sample(ctx, pool, task, Math.max(SAMPLE, 2 * count))
  for (let given = 0; given < count; given++) {
    const chosen = takeBest(candidates, operators, barredEngine(ctx.state, task))
    if (chosen === undefined) return
    operators.add(chosen.operator)
    lease(ctx, pool, index, task, chosen)
  }
}

/** The first nodes of the pool that may have a replica of the task; where engines matter, so many of each. */
function sample(ctx: Context, pool: Pool, task: TaskRecord, size: number): NodeRecord[] {
  const isDiverse = ctx.state.config.engines === 'diverse'
  const taken = new Map<EngineName | null, number>()
  const out: NodeRecord[] = []
  for (const node of pool.roomy) {
    if (!isDiverse && out.length >= size) break
    const same = taken.get(node.engine) ?? 0
    if (same >= size || !mayTake(ctx.state, task, node.id, ctx.now)) continue
    taken.set(node.engine, same + 1)
    out.push(node)
  }
  return out
}

/** Another operator before another node of the same, then the least loaded, then chance (the order of the pool). */
function takeBest(
  candidates: NodeRecord[],
  operators: ReadonlySet<NodeId>,
  barred: EngineName | null,
): NodeRecord | undefined {
  let best = -1
  let least = Number.POSITIVE_INFINITY
  for (const [i, node] of candidates.entries()) {
    const own = suits(node, barred) ? rank(node, operators) : Number.POSITIVE_INFINITY
    if (own < least) [best, least] = [i, own]
  }
  return best < 0 ? undefined : candidates.splice(best, 1)[0]
}

function rank(node: NodeRecord, operators: ReadonlySet<NodeId>): number {
  // The load is below 1 for a node with room, so that an operator already used always ranks behind.
  return (operators.has(node.operator) ? 1 : 0) + node.inFlight / node.window
}

function lease(ctx: Context, pool: Pool, index: number, task: TaskRecord, node: NodeRecord): void {
  const { config } = ctx.state
  const record: LeaseRecord = {
    id: pool.entropy.leaseId(),
    task: index,
    node: node.id,
    engine: node.engine,
    consent: node.consent,
    issued: ctx.now,
    stage: 'live',
    commitment: null,
    committedAt: 0,
    askedAt: 0,
    vote: null,
    receipt: null,
  }
  ctx.state.leases[record.id] = record
  task.leases.push(record.id)
  task.replicas++
  task.stuckSince = null
  node.inFlight++
  // Rotates the pool, so that a sample of a large pool is a fresh one for each task.
  const at = pool.roomy.indexOf(node)
  pool.roomy.splice(at, 1)
  if (node.inFlight < node.window) pool.roomy.push(node)
  const turns = Math.ceil(node.inFlight / node.slots)
  ctx.changed = true
  ctx.effects.push({
    type: 'assign',
    node: node.id,
    consent: node.consent,
    lease: record.id,
    task: index,
    expiresIn: config.wallTime * turns + config.policy.leaseSlack,
  })
}
