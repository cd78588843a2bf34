import type { Timestamp } from '@askee/core'
import type { Context } from './context.ts'
import { anyNode, evaluate, undecidable } from './decision.ts'
import { expire } from './ending.ts'
import { areDiverse, barredEngine, type EngineName, needsOther, suits } from './engines.ts'
import { loseLease } from './leases.ts'
import { couldTake, isPotential, mayReturn } from './pool.ts'
import type { CoordinatorState, NodeRecord, TaskRecord } from './state.ts'
import { commonEngine, tellVolunteers, volunteersOf } from './volunteers.ts'

/** What time alone changes: the deadline, withheld reveals, stragglers, tasks that nobody can take. */
export function sweep(ctx: Context): void {
  const { state, now } = ctx
  if (state.phase === 'running' && now >= state.config.deadline) {
    expire(ctx)
    return
  }
  loseWithheld(ctx)
  for (const key of Object.keys(state.active)) {
    const index = Number(key)
    evaluate(ctx, index)
    const task = state.tasks[index]
    if (task?.outcome === null) watchForHelp(ctx, index, task)
  }
  watchFreshTasks(ctx)
}

/** Whether some task has nobody who could help, and will be given up if nobody comes. */
export function isStuck({ stuckSince, active, tasks }: CoordinatorState): boolean {
  if (stuckSince !== null) return true
  for (const index in active) if (tasks[Number(index)]?.stuckSince != null) return true
  return false
}

function loseWithheld(ctx: Context): void {
  const { state, now } = ctx
  for (const lease of Object.values(state.leases)) {
    if (lease.stage !== 'asked' || now - lease.askedAt < state.config.policy.revealTimeout) continue
    loseLease(ctx, lease, 'withheld')
    evaluate(ctx, lease.task)
  }
}

/** A task that waits for a replica which no node of the pool could ever take ends after a time of grace. */
function watchForHelp(ctx: Context, index: number, task: TaskRecord): void {
  const { state, now } = ctx
  const waiting = task.leases.every((id) => {
    const stage = state.leases[id]?.stage
    return stage === 'committed' || stage === 'revealed'
  })
  const barred = barredEngine(state, task)
  const couldHelp = (node: NodeRecord): boolean =>
    isExpected(state, node, now) && suits(node, barred) && couldTake(state, task, node.id)
  const helpless = waiting && !anyNode(ctx, couldHelp)
  if (!helpless) {
    if (task.stuckSince !== null) ctx.changed = true
    task.stuckSince = null
  } else if (task.stuckSince === null) {
    task.stuckSince = now
    ctx.changed = true
  } else if (now - task.stuckSince >= state.config.policy.poolGrace) {
    undecidable(ctx, index, tooFew(ctx, task, barred))
  }
}

/** The same for tasks not handed out yet, once there was a pool: without any volunteer so far, waiting is right. */
function watchFreshTasks(ctx: Context): void {
  const { state, now } = ctx
  const waiting = state.nextFresh < state.config.count && Object.keys(state.nodes).length > 0
  const potential = waiting ? Object.values(state.nodes).filter((node) => isExpected(state, node, now)) : []
  const helpless = waiting && (potential.length === 0 || !areDiverse(state.config, potential))
  if (!helpless) {
    if (state.stuckSince !== null) ctx.changed = true
    state.stuckSince = null
  } else if (state.stuckSince === null) {
    state.stuckSince = now
    ctx.changed = true
  } else if (now - state.stuckSince >= state.config.policy.poolGrace) {
    for (let index = state.nextFresh; index < state.config.count; index++) {
      const task = state.tasks[index]
      if (task !== undefined) undecidable(ctx, index, tooFew(ctx, task, null))
    }
    state.nextFresh = state.config.count
    ctx.changed = true
  }
}

/** Whether it is worth waiting for: it could work, or could once its owner resumes the consent. */
function isExpected(state: CoordinatorState, node: NodeRecord, now: Timestamp): boolean {
  return isPotential(state, node, now) || mayReturn(state, node, now)
}

/** @param barred the engine that the task can use no more */
function tooFew(ctx: Context, task: TaskRecord, barred: EngineName | null): string {
  const { state, now } = ctx
  const { config } = state
  const engine = config.engines === 'diverse' ? (barred ?? commonEngine(state, now)) : null
  const cause =
    engine === null
      ? 'no eligible node is left'
      : `${needsOther(engine)}, and no eligible node with another one came or is left`
  const answers = `${task.leases.length} of ${task.wanted} replicas have an answer, ${config.f + 1} equal ${config.f === 0 ? 'one is' : 'ones are'} needed`
  return `${cause}: ${answers}; ${tellVolunteers(volunteersOf(state, now))}`
}
