import { type CampaignId, digestOf, type Fuel, type LeaseId, type NodeId, utf8 } from '@askee/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { WorkerEffect, WorkerEvent } from '../src/worker/events.ts'
import { heartbeatOf } from '../src/worker/heartbeat.ts'
import { step } from '../src/worker/machine.ts'
import { initialWorker, type WorkerConfig, type WorkerState } from '../src/worker/state.ts'

const BOSS = 'boss' as NodeId
const STRANGER = 'stranger' as NodeId
const CAMPAIGN = 'campaign' as CampaignId
const CONFIG: WorkerConfig = {
  slots: 1,
  queue: 3,
  held: 4,
  heldBytes: 1_000_000,
  share: 1,
  leaseSlack: 100,
  retention: 500,
}

let state: WorkerState
let now: number
beforeEach(() => {
  now = 1000
  state = initialWorker(CONFIG)
})

function feed(event: WorkerEvent): readonly WorkerEffect[] {
  return step(state, event).effects
}

function assign(
  ids: string[],
  more: Partial<WorkerEvent & { type: 'assigned' }> = {},
): WorkerEffect & { type: 'answer' } {
  const effects = feed({
    type: 'assigned',
    now,
    from: BOSS,
    campaign: CAMPAIGN,
    requester: BOSS,
    deadline: 100_000,
    count: 100,
    consent: 'c',
    refusal: null,
    disk: { room: Number.POSITIVE_INFINITY, each: 0 },
    module: digestOf(utf8('m')),
    wallTime: 10_000,
    outputBytes: 100,
    leases: ids.map((id) => ({ lease: id as LeaseId, task: Number(id), expiresIn: 1000, inputBytes: 0 })),
    ...more,
  })
  return effects.find((effect) => effect.type === 'answer') as WorkerEffect & { type: 'answer' }
}

function compute(id: string, outputBytes = 10): readonly WorkerEffect[] {
  feed({ type: 'started', now, lease: id as LeaseId })
  return feed({ type: 'computed', now, lease: id as LeaseId, outputBytes, fuel: 9n as Fuel })
}

describe('the worker', () => {
  it('CON-2 takes no more leases than the results that the consent has disk for, and says why', () => {
    expect(assign(['1', '2', '3'], { disk: { room: 250, each: 100 } })).toMatchObject({
      accepted: ['1', '2'],
      refused: [{ lease: '3', code: 'consent/storage' }],
    })
    // The same message again is no new lease.
    expect(assign(['1'], { disk: { room: 50, each: 100 } }).accepted).toEqual(['1'])
    expect(assign(['4'], { disk: { room: 50, each: 100 } }).refused).toEqual([
      { lease: '4', code: 'consent/storage' },
    ])
    expect(assign(['5'], { disk: { room: -1, each: 0 } }).refused).toHaveLength(1)
  })

  it('CON-1 offers itself only under a live consent', () => {
    const announced = { type: 'announced', now, campaign: CAMPAIGN, requester: BOSS, deadline: 5000 } as const
    expect(feed({ ...announced, consent: null, capable: 'capable' })).toEqual([])
    expect(feed({ ...announced, consent: 'c', capable: 'incapable' })).toEqual([])
    expect(feed({ ...announced, consent: 'c', capable: 'capable' })).toHaveLength(1)
  })

  it('CON-1 refuses an assignment that the consent does not cover, and starts nothing', () => {
    const answer = assign(['1', '2'], { refusal: 'consent/expired' })
    expect(answer.accepted).toEqual([])
    expect(answer.refused.map(({ code }) => code)).toEqual(['consent/expired', 'consent/expired'])
    expect(state.leases.size).toBe(0)
    expect(state.refused).toBe(2)
  })

  it('CMP-1 takes work from nobody but the signer of the manifest', () => {
    expect(assign(['1'], { from: STRANGER }).refused).toEqual([{ lease: '1', code: 'compute/not-requester' }])
    expect(state.leases.size).toBe(0)
  })

  it('NET-5 refuses what is beyond its queue, and results beyond what it keeps', () => {
    expect(assign(['1', '2', '3', '4']).refused).toEqual([{ lease: '4', code: 'compute/busy' }])
    for (const id of ['1', '2', '3']) compute(id)
    expect(assign(['5', '6']).refused).toEqual([{ lease: '6', code: 'compute/busy' }])
  })

  it('NET-5 ends a lease when its turn must have come or the campaign is over, whatever the requester says', () => {
    const far = (id: string): { lease: LeaseId; task: number; expiresIn: number; inputBytes: number } => ({
      lease: id as LeaseId,
      task: Number(id),
      expiresIn: Number.MAX_SAFE_INTEGER,
      inputBytes: 0,
    })
    assign([], { leases: [far('1')] })
    expect(state.leases.get('1' as LeaseId)?.expires).toBe(now + 3 * 10_000 + 100)
    assign([], { leases: [far('2')], deadline: now + 50 })
    expect(state.leases.get('2' as LeaseId)?.expires).toBe(now + 50)
  })

  it('NET-5 takes one live lease of a task at a time', () => {
    const lease = (id: string): { lease: LeaseId; task: number; expiresIn: number; inputBytes: number } => ({
      lease: id as LeaseId,
      task: 7,
      expiresIn: 1000,
      inputBytes: 0,
    })
    const answer = assign([], { leases: [lease('1'), lease('2')] })
    expect(answer.accepted).toEqual(['1'])
    expect(answer.refused).toEqual([{ lease: '2', code: 'compute/duplicate' }])
    feed({ type: 'failed', now, lease: '1' as LeaseId, code: 'fault/engine' })
    expect(assign([], { leases: [lease('3')] }).accepted).toEqual(['3'])
  })

  it('NET-5 counts the bytes that it holds, at most what a task may give until it has given it', () => {
    state = initialWorker({ ...CONFIG, queue: 100, held: 100, heldBytes: 10 * 1024 * 1024 })
    const mib = 1024 * 1024
    const ids = Array.from({ length: 12 }, (_, i) => `${i}`)
    expect(assign(ids, { outputBytes: mib }).accepted).toHaveLength(9)
    for (const id of ids.slice(0, 9)) compute(id, 1000)
    expect(assign(ids.slice(9), { outputBytes: mib }).accepted).toHaveLength(3)
    for (const id of ids.slice(9)) compute(id, mib)
    const dropped = ids.map((id) => id as LeaseId)
    feed({ type: 'dropped', now, from: BOSS, leases: dropped })
    expect(state.total).toEqual({ live: 0, busy: 0, held: 0, bytes: 0 })
    expect(state.usage.size).toBe(0)
  })

  it('NET-5 leaves room for other requesters', () => {
    state = initialWorker({ ...CONFIG, queue: 6, held: 8, share: 0.5 })
    expect(assign(['1', '2', '3', '4']).accepted).toHaveLength(3)
    for (const id of ['1', '2', '3']) compute(id)
    expect(assign(['5', '6']).accepted).toHaveLength(1)
    const other = { from: STRANGER, requester: STRANGER, campaign: 'other' as CampaignId }
    expect(assign(['7', '8', '9'], other).accepted).toHaveLength(3)
  })

  it('CMP-4 takes a repeated assignment once', () => {
    assign(['1'])
    expect(assign(['1']).accepted).toEqual(['1'])
    expect(state.leases.size).toBe(1)
    expect(state.queued.length + state.total.busy).toBe(1)
    expect(assign(['1'], { campaign: 'other' as CampaignId }).refused).toEqual([
      { lease: '1', code: 'compute/lease' },
    ])
  })

  it('CMP-3 reveals a result to the requester of its lease and to nobody else', () => {
    assign(['1'])
    const asked = { type: 'reveal-asked', now, campaign: CAMPAIGN, leases: ['1' as LeaseId] } as const
    expect(feed({ ...asked, from: BOSS })).toEqual([{ type: 'reveal', leases: [], unknown: ['1'] }])
    compute('1')
    expect(feed({ ...asked, from: STRANGER })).toEqual([{ type: 'reveal', leases: [], unknown: ['1'] }])
    expect(feed({ ...asked, from: BOSS })).toEqual([{ type: 'reveal', leases: ['1'], unknown: [] }])
  })

  it('CMP-4 drops and settles only for the requester of the lease', () => {
    assign(['1', '2'])
    feed({ type: 'dropped', now, from: STRANGER, leases: ['1' as LeaseId] })
    expect(state.leases.size).toBe(2)
    feed({ type: 'dropped', now, from: BOSS, leases: ['1' as LeaseId] })
    expect([...state.leases.keys()]).toEqual(['2'])
    expect(state.total.busy).toBe(1)
    compute('2')
    const receipt = digestOf(utf8('receipt'))
    feed({ type: 'shown', now, leases: ['2' as LeaseId], document: receipt })
    const settlements = [{ lease: '2' as LeaseId, outcome: 'accepted' as const, credit: 9n as Fuel, receipt }]
    const settled = { type: 'settled', now, campaign: CAMPAIGN, settlements } as const
    feed({ ...settled, from: STRANGER })
    expect(state.credit.size).toBe(0)
    feed({ ...settled, from: BOSS })
    feed({ ...settled, from: BOSS })
    expect(state.credit.get(BOSS)).toBe(9n)
    expect(state.leases.size).toBe(0)
  })

  it('CMP-6 believes a credit for a receipt that it gave, of its own fuel at most, in its own campaign', () => {
    const receipt = digestOf(utf8('receipt'))
    const credited = (
      more: Partial<(WorkerEvent & { type: 'settled' })['settlements'][number]>,
      campaign = CAMPAIGN,
    ): Fuel => {
      state = initialWorker(CONFIG)
      assign(['1'])
      compute('1')
      feed({ type: 'shown', now, leases: ['1' as LeaseId], document: receipt })
      const said = { lease: '1' as LeaseId, outcome: 'accepted', credit: 9n as Fuel, receipt } as const
      feed({ type: 'settled', now, from: BOSS, campaign, settlements: [{ ...said, ...more }] })
      return state.credit.get(BOSS) ?? (0n as Fuel)
    }
    expect(credited({})).toBe(9n)
    expect(credited({ credit: 8n as Fuel })).toBe(8n)
    expect(credited({ credit: 10n as Fuel })).toBe(0n)
    expect(credited({ receipt: null })).toBe(0n)
    expect(credited({ receipt: digestOf(utf8('another')) })).toBe(0n)
    expect(credited({ outcome: 'rejected' })).toBe(0n)
    expect(credited({}, 'other' as CampaignId)).toBe(0n)
  })

  it('CMP-4 reports a fault as a failure of this node and goes on with the next lease', () => {
    assign(['1', '2'])
    const effects = feed({ type: 'failed', now, lease: '1' as LeaseId, code: 'fault/wall-time' })
    expect(effects.map(({ type }) => type)).toEqual(['report', 'forget', 'start'])
    expect(state.failed).toBe(1)
  })

  it('CMP-4 counts as failed what was done here and failed, and nothing that a consent ended or that only waited', () => {
    assign(['1', '2', '3'])
    feed({ type: 'consent-ended', now, leases: ['1' as LeaseId], code: 'consent/suspended' })
    feed({ type: 'failed', now, lease: '2' as LeaseId, code: 'consent/suspended' })
    feed({ type: 'sweep', now: now + 5000 })
    expect(state.leases.size).toBe(0)
    expect(state.failed).toBe(0)
    now += 5000
    assign(['4'])
    feed({ type: 'started', now, lease: '4' as LeaseId })
    feed({ type: 'sweep', now: now + 5000 })
    expect(state.failed).toBe(1)
  })

  it('CMP-4 ends a lease at its expiry and forgets a result that nobody asked for', () => {
    assign(['1', '2'])
    compute('1')
    now += 1000
    expect(feed({ type: 'sweep', now }).map(({ type }) => type)).toEqual(['report', 'forget'])
    expect(state.leases.size).toBe(1)
    now += 500
    feed({ type: 'sweep', now })
    expect(state.leases.size).toBe(0)
  })

  it('CMP-4 never runs more than its slots', () => {
    state = initialWorker({ ...CONFIG, slots: 2, queue: 10, held: 100 })
    assign(['1', '2', '3', '4'])
    expect(state.total.busy).toBe(2)
    compute('1')
    expect(state.total.busy).toBe(2)
    for (const id of ['2', '3', '4']) compute(id)
    expect(state.total.busy).toBe(0)
  })

  it('CMP-4 names the leases it still works on before the many results it only keeps', () => {
    const lease = (id: number, stage: 'committed' | 'running') => ({
      id: `${id}` as LeaseId,
      campaign: CAMPAIGN,
      stage,
    })
    const kept = Array.from({ length: 2000 }, (_, i) => lease(i, 'committed'))
    const [entry] = heartbeatOf([...kept, lease(9999, 'running')]).campaigns
    expect(entry?.leases[0]).toBe('9999')
    expect(entry?.leases).toHaveLength(512)
  })
})
