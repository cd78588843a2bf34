import type { Fuel, LeaseId } from '@askee/core'
import type { WorkerEffect, WorkerEvent } from './events.ts'
import { endLive, isLive, LEASE_BYTES, occupy, resize, roomFor, vacate } from './room.ts'
import type { WorkerLease, WorkerState } from './state.ts'

export interface WorkerStep {
  readonly state: WorkerState
  readonly effects: readonly WorkerEffect[]
}

/** Documents with the same receipt that a requester may cite: it may have asked more than once. */
const KEPT_RECEIPTS = 8

type Of<Type extends WorkerEvent['type']> = WorkerEvent & { type: Type }

/**
 * The worker. Deterministic; `state` is changed in place and returned. It obeys nobody but the requester of each lease.
 */
export function step(state: WorkerState, event: WorkerEvent): WorkerStep {
  const effects: WorkerEffect[] = []
  switch (event.type) {
    case 'announced':
      announced(state, event, effects)
      break
    case 'assigned':
      assigned(state, event, effects)
      break
    case 'started':
      move(state, event.lease, 'running', event.now)
      break
    case 'computed':
      computed(state, event, effects)
      break
    case 'failed':
      failed(state, event, effects)
      break
    case 'consent-ended':
      for (const id of event.leases) {
        const lease = state.leases.get(id)
        if (lease !== undefined) fail(state, lease, event.code, effects)
      }
      break
    case 'reveal-asked':
      revealAsked(state, event, effects)
      break
    case 'shown':
      shown(state, event)
      break
    case 'dropped':
      for (const id of event.leases) drop(state, event.from, id, 'dropped', effects)
      break
    case 'settled':
      settled(state, event, effects)
      break
    case 'sweep':
      sweep(state, event, effects)
      break
    default:
      event satisfies never
  }
  startNext(state, event.now, effects)
  return { state, effects }
}

/** Offers itself when a consent covers the campaign and there is room (CON-1: the first door). */
function announced(state: WorkerState, event: Of<'announced'>, effects: WorkerEffect[]): void {
  if (event.consent === null || event.capable === 'incapable' || event.now >= event.deadline) return
  if (state.total.live >= state.config.queue) return
  effects.push({ type: 'offer', campaign: event.campaign, requester: event.requester })
}

function assigned(state: WorkerState, event: Of<'assigned'>, effects: WorkerEffect[]): void {
  const accepted: LeaseId[] = []
  const refused: { lease: LeaseId; code: string }[] = []
  let { room } = event.disk
  for (const offered of event.leases) {
    const code = refusalOf(state, event, offered, room)
    if (code === null) {
      accepted.push(offered.lease)
      if (state.leases.has(offered.lease)) continue
      room -= event.disk.each
      const lease: WorkerLease = {
        id: offered.lease,
        campaign: event.campaign,
        task: offered.task,
        requester: event.requester,
        consent: event.consent,
        module: event.module,
        expires: event.now + longest(state, event, offered.expiresIn),
        bytes: sizeOf(event, offered),
        fuel: null,
        receipts: [],
        stage: 'queued',
        since: event.now,
      }
      state.leases.set(lease.id, lease)
      occupy(state, lease)
      state.queued.push(offered.lease)
    } else {
      state.refused++
      refused.push({ lease: offered.lease, code })
    }
  }
  effects.push({ type: 'answer', accepted, refused })
}

/** Whatever the requester says, a lease does not outlast what can be done in the queue, nor the campaign. */
function longest(state: WorkerState, event: Of<'assigned'>, asked: number): number {
  const { queue, leaseSlack } = state.config
  return Math.min(asked, event.deadline - event.now, event.wallTime * queue + leaseSlack)
}

/** The most that it may take. */
function sizeOf(event: Of<'assigned'>, { inputBytes }: Of<'assigned'>['leases'][number]): number {
  return LEASE_BYTES + inputBytes + event.outputBytes
}

function refusalOf(
  state: WorkerState,
  event: Of<'assigned'>,
  offered: Of<'assigned'>['leases'][number],
  room: number,
): string | null {
  if (event.from !== event.requester) return 'compute/not-requester'
  if (event.refusal !== null) return event.refusal
  if (event.now >= event.deadline) return 'compute/deadline'
  if (offered.task >= event.count) return 'compute/task'
  const held = state.leases.get(offered.lease)
  if (held !== undefined) {
    // The same lease twice is a repeated message; under another campaign or requester it is a false one.
    const same =
      held.requester === event.from && held.campaign === event.campaign && held.task === offered.task
    return same ? null : 'compute/lease'
  }
  if (event.disk.each > room) return 'consent/storage'
  return roomFor(state, event.requester, event.campaign, offered.task, sizeOf(event, offered))
}

function move(state: WorkerState, id: LeaseId, stage: WorkerLease['stage'], now: number): void {
  const lease = state.leases.get(id)
  if (lease === undefined) return
  lease.stage = stage
  lease.since = now
}

function computed(state: WorkerState, event: Of<'computed'>, effects: WorkerEffect[]): void {
  const lease = state.leases.get(event.lease)
  if (lease === undefined || !isLive(lease)) return
  endLive(state, lease)
  resize(state, lease, LEASE_BYTES + event.outputBytes)
  lease.fuel = event.fuel
  move(state, event.lease, 'committed', event.now)
  state.completed++
  const { id, campaign, requester, consent, expires: until } = lease
  effects.push({ type: 'commit', lease: id, campaign, requester, consent, until })
}

function failed(state: WorkerState, event: Of<'failed'>, effects: WorkerEffect[]): void {
  const lease = state.leases.get(event.lease)
  if (lease === undefined || !isLive(lease)) return
  fail(state, lease, event.code, effects)
}

function fail(state: WorkerState, lease: WorkerLease, code: string, effects: WorkerEffect[]): void {
  // Neither its owner's no nor a wait that was too long is a failure of the task.
  const isNobodys = code.startsWith('consent/') || (code === 'compute/expired' && lease.stage !== 'running')
  if (!isNobodys) state.failed++
  vacate(state, lease)
  const { id, campaign, requester, consent, expires } = lease
  // The word that a lease has ended may come a little after its end.
  const until = expires + state.config.leaseSlack
  effects.push({ type: 'report', lease: id, campaign, requester, consent, code, until })
  effects.push({ type: 'forget', lease: id, reason: code })
}

/** Shows a result to the requester of its lease, and to nobody else. */
function revealAsked(state: WorkerState, event: Of<'reveal-asked'>, effects: WorkerEffect[]): void {
  const leases: LeaseId[] = []
  const unknown: LeaseId[] = []
  for (const id of event.leases) {
    const lease = state.leases.get(id)
    const own = lease?.requester === event.from && lease.campaign === event.campaign
    if (lease !== undefined && own && !isLive(lease)) {
      lease.stage = 'revealed'
      leases.push(id)
    } else unknown.push(id)
  }
  effects.push({ type: 'reveal', leases, unknown })
}

function drop(
  state: WorkerState,
  from: WorkerLease['requester'],
  id: LeaseId,
  reason: string,
  effects: WorkerEffect[],
): void {
  const lease = state.leases.get(id)
  if (lease?.requester !== from) return
  vacate(state, lease)
  effects.push({ type: 'forget', lease: id, reason })
}

function shown(state: WorkerState, { leases, document }: Of<'shown'>): void {
  for (const id of leases) {
    const lease = state.leases.get(id)
    if (lease !== undefined) lease.receipts = [...lease.receipts, document].slice(-KEPT_RECEIPTS)
  }
}

function settled(state: WorkerState, event: Of<'settled'>, effects: WorkerEffect[]): void {
  let sum = 0n
  for (const settlement of event.settlements) {
    const lease = state.leases.get(settlement.lease)
    if (lease?.requester !== event.from || lease.campaign !== event.campaign) continue
    sum += creditFor(lease, settlement)
    drop(state, event.from, lease.id, settlement.outcome, effects)
  }
  if (sum === 0n) return
  state.credit.set(event.from, ((state.credit.get(event.from) ?? 0n) + sum) as Fuel)
  effects.push({ type: 'credited', requester: event.from, credit: sum as Fuel })
}

/** A credit counts that is for a receipt that this node gave, and no more than its own result says (CMP-6). */
function creditFor(
  lease: WorkerLease,
  { outcome, credit, receipt }: Of<'settled'>['settlements'][number],
): bigint {
  if (outcome !== 'accepted' || lease.fuel === null || receipt === null) return 0n
  return lease.receipts.includes(receipt) && credit <= lease.fuel ? credit : 0n
}

function sweep(state: WorkerState, event: Of<'sweep'>, effects: WorkerEffect[]): void {
  for (const lease of [...state.leases.values()]) {
    if (isLive(lease)) {
      if (event.now >= lease.expires) fail(state, lease, 'compute/expired', effects)
    } else if (event.now >= lease.expires + state.config.retention) {
      drop(state, lease.requester, lease.id, 'expired', effects)
    }
  }
}

/** No requester has more begun than there are slots, but each as many: one whose data come slowly holds up nobody else. */
function startNext(state: WorkerState, now: number, effects: WorkerEffect[]): void {
  const { usage, total } = state
  const next = state.queued.filter((id) => {
    const requester = state.leases.get(id)?.requester
    const own = requester === undefined ? undefined : usage.get(requester)
    if (own === undefined || own.busy >= state.config.slots) return false
    own.busy++
    total.busy++
    return true
  })
  if (next.length === 0) return
  const begun = new Set(next)
  state.queued = state.queued.filter((id) => !begun.has(id))
  for (const id of next) {
    move(state, id, 'fetching', now)
    effects.push({ type: 'start', lease: id })
  }
}
