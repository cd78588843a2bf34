import type { Digest } from '@askee/core'
import type { Context } from './context.ts'
import {
  agreedByOne,
  areDiverse,
  barredEngine,
  type EngineName,
  needsOther,
  onlyEngine,
  suits,
} from './engines.ts'
import { loseLease, settleLease } from './leases.ts'
import { isAvailable, mayTake } from './pool.ts'
import type { LeaseRecord, NodeRecord, TaskOutcome, TaskRecord } from './state.ts'
import { groupVotes, keyOf, missingReplicas, type Standing, standing } from './votes.ts'

/**
 * Looks at a task after something happened to one of its leases: decides it, asks for reveals, or wants more
 * replicas. A result is accepted only when f+1 nodes revealed the same after committing, with as many engines as the
 * campaign asks for, and no other group could still reach f+1; with at most f faulty nodes among the voters, one of the
 * f+1 is honest, so the result is right.
 */
export function evaluate(ctx: Context, index: number): void {
  const task = ctx.state.tasks[index]
  if (task === undefined) return
  if (task.outcome !== null) {
    judgeLate(ctx, index, task)
    return
  }
  const { config } = ctx.state
  const { f } = config
  const now = standing(ctx.state, task)
  const [leading = [], second = []] = groupVotes(now.revealed)

  if (leading.length > f) {
    // Two groups of f+1 need 2f+2 votes; below that nothing that is still hidden can contradict.
    const hidden = now.committed.length + now.asked.length
    if (hidden > 0 && hidden + now.revealed.length > 2 * f + 1) {
      for (const lease of now.committed) askReveal(ctx, lease)
      return
    }
    if (second.length > f) {
      undecidable(ctx, index, contradiction(leading, second))
      return
    }
    if (areDiverse(config, leading)) {
      accept(ctx, index, task, leading)
      return
    }
  }

  wantMore(ctx, task, now, leading.length)
  if (task.wanted > config.policy.voteFactor * (2 * f + 1)) {
    const alone = agreedByOne(config, now.revealed)
    undecidable(
      ctx,
      index,
      alone === null
        ? `no ${f + 1} equal results among ${now.revealed.length} replicas`
        : `${needsOther(alone)} that agrees: none did among ${now.revealed.length} replicas`,
    )
    return
  }
  if (missingReplicas(task) > 0 && !ctx.state.retry.includes(index)) {
    ctx.state.retry.push(index)
    ctx.changed = true
  }
  considerReveal(ctx, task, now)
}

function contradiction(one: readonly LeaseRecord[], other: readonly LeaseRecord[]): string {
  const engines = [onlyEngine(one), onlyEngine(other)]
  const differ = engines[0] !== engines[1] && !engines.includes(null)
  return differ
    ? `the engines disagree: ${engines.join(' and ')} have f+1 votes each for different results, so that an engine is at fault or more than f nodes are`
    : 'two different results have f+1 votes each: more than f nodes are faulty'
}

/** Raises the number of replicas when those there are cannot decide. */
function wantMore(ctx: Context, task: TaskRecord, now: Standing, best: number): void {
  const { config } = ctx.state
  const awaited = [...now.live, ...now.committed, ...now.asked]
  const alone = agreedByOne(config, now.revealed)
  let wanted = task.wanted
  if (alone !== null) {
    // Replicas on the same engine are of no more use; one on another is.
    if (awaited.every(({ engine }) => engine === alone)) wanted = task.leases.length + 1
  } else if (awaited.length === 0) wanted = now.revealed.length + config.f + 1 - best
  if (wanted <= task.wanted) return
  task.wanted = wanted
  ctx.changed = true
}

/** Asks for reveals when everybody committed, or stragglers had their time. */
function considerReveal(ctx: Context, task: TaskRecord, now: Standing): void {
  const { f, policy } = ctx.state.config
  const hidden = [...now.committed, ...now.asked]
  if (now.committed.length === 0 || hidden.length + now.revealed.length <= f) return
  if (task.stragglersUntil === null) {
    const slowest = Math.max(...hidden.map((lease) => lease.committedAt - lease.issued))
    task.stragglersUntil = ctx.now + Math.max(policy.stragglerFloor, policy.stragglerFactor * slowest)
    ctx.changed = true
  }
  const waited = ctx.now >= task.stragglersUntil
  const complete = now.live.length === 0 && (missingReplicas(task) <= 0 || !someoneAvailable(ctx, task))
  if (complete || waited) for (const lease of now.committed) askReveal(ctx, lease)
}

function someoneAvailable(ctx: Context, task: TaskRecord): boolean {
  const barred = barredEngine(ctx.state, task)
  return anyNode(
    ctx,
    (node) =>
      isAvailable(ctx.state, node, ctx.now) &&
      suits(node, barred) &&
      mayTake(ctx.state, task, node.id, ctx.now),
  )
}

/** Whether some node of the pool fits. */
export function anyNode(ctx: Context, fits: (node: NodeRecord) => boolean): boolean {
  for (const id in ctx.state.nodes) {
    const node = ctx.state.nodes[id as keyof typeof ctx.state.nodes]
    if (node !== undefined && fits(node)) return true
  }
  return false
}

function askReveal(ctx: Context, lease: LeaseRecord): void {
  lease.stage = 'asked'
  lease.askedAt = ctx.now
  ctx.changed = true
  ctx.effects.push({ type: 'reveal', node: lease.node, lease: lease.id })
}

function close(ctx: Context, index: number, task: TaskRecord, outcome: TaskOutcome): void {
  task.outcome = outcome
  ctx.state.open--
  delete ctx.state.active[index]
  ctx.state.retry = ctx.state.retry.filter((other) => other !== index)
  ctx.changed = true
}

function accept(ctx: Context, index: number, task: TaskRecord, winners: readonly LeaseRecord[]): void {
  const vote = winners[0]?.vote
  if (vote === null || vote === undefined) return
  close(ctx, index, task, { kind: 'accepted', vote, receipts: documentsOf(winners) })
  ctx.effects.push({ type: 'accepted', task: index, output: vote.output })
  judgeLate(ctx, index, task)
}

/** Ends a task without a result; nobody is blamed and nobody credited. */
export function undecidable(ctx: Context, index: number, reason: string): void {
  const task = ctx.state.tasks[index]
  if (task === undefined || task.outcome !== null) return
  close(ctx, index, task, { kind: 'undecidable', reason })
  ctx.effects.push({ type: 'undecidable', task: index, reason })
  judgeLate(ctx, index, task)
}

/**
 * After the decision: reveals are still asked of those who committed (they earned credit or blame), who has not
 * committed is let go.
 */
function judgeLate(ctx: Context, index: number, task: TaskRecord): void {
  const now = standing(ctx.state, task)
  const outcome = task.outcome
  if (outcome === null) return
  if (outcome.kind === 'undecidable') {
    for (const lease of Object.values(now).flat()) settleLease(ctx, lease, 'cancelled')
    return
  }
  for (const lease of now.live) letStragglerGo(ctx, lease)
  for (const lease of now.committed) askReveal(ctx, lease)
  for (const lease of now.revealed) {
    const agreed = lease.vote !== null && keyOf(lease.vote) === keyOf(outcome.vote)
    ctx.effects.push({ type: 'judged', node: lease.node, verdict: agreed ? 'agreed' : 'dissented' })
    if (agreed && lease.engine !== null) countEngine(task, lease.engine)
    settleLease(ctx, lease, agreed ? 'accepted' : 'rejected')
    if (!agreed) {
      accuse(ctx, lease, 'wrong-result', index, outcome.receipts)
    }
  }
}

function countEngine(task: TaskRecord, engine: EngineName): void {
  task.agreed = { ...task.agreed, [engine]: (task.agreed?.[engine] ?? 0) + 1 }
}

/** The others were decisive without it: a node that had its time and is silent or slow gets less from now on. */
function letStragglerGo(ctx: Context, lease: LeaseRecord): void {
  const { id, node } = lease
  const late = ctx.now - lease.issued >= ctx.state.config.policy.stragglerFloor
  loseLease(ctx, lease, late ? 'straggler' : 'not-needed', late ? 'strike' : 'none')
  ctx.state.unsettled[id] = { node, outcome: 'cancelled', credit: '0', receipt: null }
  ctx.effects.push({ type: 'settle', lease: id, node, outcome: 'cancelled', credit: '0', receipt: null })
}

/** The signed documents about leases: for a single one its commitment and its receipt, for several their receipts. */
function documentsOf(leases: readonly LeaseRecord[]): Digest[] {
  const commitment = leases.length === 1 ? leases[0]?.commitment?.document : undefined
  const receipts = leases.map(({ receipt }) => receipt)
  return [...new Set([commitment ?? null, ...receipts].filter((digest) => digest !== null))]
}

/** Notes a proven offence and takes the node out of this campaign. */
function accuse(
  ctx: Context,
  lease: LeaseRecord,
  offence: 'wrong-result' | 'broken-commitment',
  task: number,
  against: readonly Digest[],
): void {
  const accusation = {
    node: lease.node,
    task,
    lease: lease.id,
    offence,
    evidence: [...new Set([...documentsOf([lease]), ...against])],
  } as const
  ctx.state.accusations.push(accusation)
  ctx.effects.push({ type: 'accused', accusation })
  expel(ctx, lease)
}

/** It revealed other than it committed to: its vote does not count, its promise is the proof. */
export function breakCommitment(ctx: Context, lease: LeaseRecord): void {
  ctx.effects.push({ type: 'judged', node: lease.node, verdict: 'dissented' })
  accuse(ctx, lease, 'broken-commitment', lease.task, [])
  settleLease(ctx, lease, 'rejected')
}

/** No more work for a proven liar; what it has not committed is given to others. */
function expel(ctx: Context, accused: LeaseRecord): void {
  const node = ctx.state.nodes[accused.node]
  if (node === undefined || node.accused) return
  node.accused = true
  dropLive(ctx, accused.node, 'accused')
}

/** Takes back everything that a node has not committed. */
export function dropLive(ctx: Context, node: LeaseRecord['node'], reason: string): void {
  const touched = new Set<number>()
  for (const lease of Object.values(ctx.state.leases)) {
    if (lease.node !== node || lease.stage !== 'live') continue
    touched.add(lease.task)
    loseLease(ctx, lease, reason, 'none')
  }
  for (const index of touched) evaluate(ctx, index)
}
