import { type CampaignId, digestOf, type Fuel, type LeaseId, type NodeId, utf8 } from '@askee/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { WorkerEffect, WorkerEvent } from '../src/worker/events.ts'
import { heartbeatOf } from '../src/worker/heartbeat.ts'
import { step } from '../src/worker/machine.ts'
import { initialWorker, type WorkerState } from '../src/worker/state.ts'

const BOSS = 'boss' as NodeId
const STRANGER = 'stranger' as NodeId
const CAMPAIGN = 'campaign' as CampaignId

let state: WorkerState
let now: number
beforeEach(() => {
  now = 1000
  state = initialWorker({ slots: 1, queue: 3, held: 4, retention: 500 })
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
    module: digestOf(utf8('m')),
    leases: ids.map((id, task) => ({ lease: id as LeaseId, task, expiresIn: 1000 })),
    ...more,
  })
  return effects.find((effect) => effect.type === 'answer') as WorkerEffect & { type: 'answer' }
}

function compute(id: string): readonly WorkerEffect[] {
  feed({ type: 'started', now, lease: id as LeaseId })
  return feed({ type: 'computed', now, lease: id as LeaseId })
}

describe('the worker', () => {
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

  it('CMP-4 takes a repeated assignment once', () => {
    assign(['1'])
    expect(assign(['1']).accepted).toEqual(['1'])
    expect(state.leases.size).toBe(1)
    expect(state.queued.length + state.busy).toBe(1)
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
    expect(state.busy).toBe(1)
    compute('2')
    const settlements = [
      { lease: '2' as LeaseId, outcome: 'accepted' as const, credit: 9n as Fuel, receipt: null },
    ]
    feed({ type: 'settled', now, from: STRANGER, settlements })
    expect(state.credit.size).toBe(0)
    feed({ type: 'settled', now, from: BOSS, settlements })
    feed({ type: 'settled', now, from: BOSS, settlements })
    expect(state.credit.get(BOSS)).toBe(9n)
    expect(state.leases.size).toBe(0)
  })

  it('CMP-4 reports a fault as a failure of this node and goes on with the next lease', () => {
    assign(['1', '2'])
    const effects = feed({ type: 'failed', now, lease: '1' as LeaseId, code: 'fault/wall-time' })
    expect(effects.map(({ type }) => type)).toEqual(['report', 'forget', 'start'])
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
    state = initialWorker({ slots: 2, queue: 10, held: 100, retention: 500 })
    assign(['1', '2', '3', '4'])
    expect(state.busy).toBe(2)
    compute('1')
    expect(state.busy).toBe(2)
    for (const id of ['2', '3', '4']) compute(id)
    expect(state.busy).toBe(0)
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
