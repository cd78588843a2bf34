import { describe, expect, it } from 'vitest'
import { areDiverse, type EngineName, onlyEngine } from '../src/coordinator/engines.ts'
import { CoordinatorDriver, type Lease, outputOf } from './support/coordinator-driver.ts'

const SETTLE = 2000
const GRACE = 30_000

/** Names say the engine: `w1` runs wasmtime, `v1` V8. */
function pool(names: string, config: ConstructorParameters<typeof CoordinatorDriver>[0] = {}) {
  const campaign = new CoordinatorDriver({ engines: 'diverse', ...config })
  joinAll(campaign, names)
  campaign.sweep(SETTLE)
  return campaign
}

function joinAll(campaign: CoordinatorDriver, names: string): void {
  for (const name of names.split(' ')) campaign.join(name, name.startsWith('w') ? 'wasmtime' : 'v8')
}

function initials(leases: readonly Lease[]): string {
  return leases
    .map(({ node }) => node[0])
    .sort()
    .join('')
}

describe('engine diversity: assignment', () => {
  it('CMP-3 gives every task a replica on another engine, however rare that engine is', () => {
    const campaign = pool('w1 w2 w3 w4 w5 w6 w7 w8 w9 v1', { count: 3 })
    for (let round = 0; round < 3; round++) {
      const leases = campaign.assign()
      for (const task of new Set(leases.map(({ task }) => task))) {
        expect(initials(leases.filter((lease) => lease.task === task))).toBe('vww')
      }
      campaign.vote(leases, () => 'x')
    }
    expect(campaign.state.phase).toBe('finished')
  })

  it('CMP-3 finds the one node of another engine among hundreds, which a sample would miss', () => {
    const many = Array.from({ length: 300 }, (_, i) => `w${i}`).join(' ')
    for (let i = 0; i < 5; i++) {
      const campaign = pool(i % 2 === 0 ? `${many} v1` : `v1 ${many}`)
      expect(initials(campaign.assign())).toBe('vww')
    }
  })

  it('CMP-3 takes two nodes where no fault is tolerated, because two engines need two', () => {
    const campaign = pool('w1 w2 v1', { f: 0 })
    const leases = campaign.assign()
    expect(initials(leases)).toBe('vw')
    campaign.vote(leases, () => 'x')
    expect(campaign.task()).toMatchObject({ outcome: { kind: 'accepted' }, agreed: { v8: 1, wasmtime: 1 } })
  })

  it('CMP-3 starts nothing that could not be accepted while there is one engine alone', () => {
    const campaign = pool('w1 w2 w3 w4')
    expect(campaign.assign()).toEqual([])
    joinAll(campaign, 'v1')
    expect(initials(campaign.assign())).toBe('vww')
  })

  it('CMP-3 keeps the last place for another engine when the replica on it is lost', () => {
    const campaign = pool('w1 w2 w3 w4 v1 v2')
    const leases = campaign.assign()
    const lost = leases.find(({ node }) => node.startsWith('v')) as Lease
    campaign.feed({ type: 'departed', node: lost.node, reason: 'disconnected' })
    const other = campaign.assign()
    expect(initials(other)).toBe('v')
    campaign.feed({ type: 'departed', node: other[0]!.node, reason: 'disconnected' })
    expect(campaign.assign()).toEqual([])
  })

  it('CMP-2 goes on with a journal from before engines were kept, and counts none', () => {
    const campaign = new CoordinatorDriver()
    for (const name of ['a', 'b', 'c']) campaign.join(name)
    campaign.sweep(SETTLE)
    const leases = campaign.assign()
    campaign.restart()
    campaign.vote(leases, () => 'x')
    expect(campaign.task().outcome?.kind).toBe('accepted')
    expect(campaign.task()).not.toHaveProperty('agreed')
  })

  it('CMP-3 counts a node that did not say its engine for none', () => {
    const nodes = (...engines: (EngineName | null)[]) => engines.map((engine) => ({ engine }))
    const counts = (...engines: (EngineName | null)[]) =>
      areDiverse({ engines: 'diverse' }, nodes(...engines))
    expect([counts(null, null), counts('v8', null), counts(null, 'v8'), counts()]).not.toContain(true)
    expect(counts('v8', null, 'wasmtime')).toBe(true)
    expect(onlyEngine(nodes(null, 'v8', null))).toBe('v8')
  })

  it('CMP-3 does not care about engines where the campaign does not', () => {
    const campaign = pool('w1 w2 w3', { engines: 'any' })
    const leases = campaign.assign()
    campaign.vote(leases, () => 'x')
    expect(campaign.task()).toMatchObject({ outcome: { kind: 'accepted' }, agreed: { wasmtime: 3 } })
  })
})

describe('engine diversity: decision', () => {
  /** f+1 equal votes of wasmtime are in; the node with the other engine has not answered. */
  function agreedByOne(names = 'w1 w2 v1') {
    const campaign = pool(names)
    const leases = campaign.assign()
    const late = leases.find(({ node }) => node.startsWith('v')) as Lease
    const quick = leases.filter((lease) => lease !== late)
    campaign.vote(quick, () => 'x')
    campaign.sweep(SETTLE)
    for (const lease of quick) campaign.reveal(lease, 'x')
    expect(quick.map(({ lease }) => campaign.state.leases[lease]?.stage)).toEqual(['revealed', 'revealed'])
    return { campaign, late }
  }

  it('CMP-3 does not accept f+1 equal votes of one engine while another is still to answer', () => {
    const { campaign, late } = agreedByOne()
    expect(campaign.task().outcome).toBeNull()
    campaign.vote([late], () => 'x')
    expect(campaign.task()).toMatchObject({
      outcome: { kind: 'accepted', vote: { output: outputOf('x') } },
      agreed: { wasmtime: 2, v8: 1 },
    })
  })

  it('CMP-3 asks nodes of another engine alone once f+1 of one agree, and forgets none of it in a restart', () => {
    const { campaign, late } = agreedByOne('w1 w2 w3 w4 v1 v2')
    campaign.vote([late], () => 'y')
    expect(campaign.task().outcome).toBeNull()
    campaign.restart()
    const next = campaign.assign()
    expect(initials(next)).toBe('v')
    expect(campaign.state.accusations).toEqual([])
    campaign.vote(next, () => 'x')
    expect(campaign.task()).toMatchObject({ outcome: { kind: 'accepted' }, agreed: { wasmtime: 2, v8: 1 } })
    expect(campaign.state.accusations.map(({ node }) => node)).toEqual([late.node])
  })

  it('CMP-3 does not wait for stragglers of the same engine, which could not help', () => {
    const campaign = pool('w1 w2 w3 w4 v1', { f: 2 })
    const all = campaign.assign()
    expect(initials(all)).toBe('vwwww')
    const v = all.find(({ node }) => node.startsWith('v')) as Lease
    const [straggler, ...quick] = all.filter((lease) => lease !== v)
    campaign.vote([...quick, v], (node) => (node.startsWith('v') ? 'y' : 'x'))
    campaign.sweep(SETTLE)
    for (const lease of [...quick, v]) campaign.reveal(lease, lease === v ? 'y' : 'x')
    expect(campaign.state.leases[straggler!.lease]?.stage).toBe('live')
    joinAll(campaign, 'v2 w9')
    expect(campaign.assign().map(({ node }) => node)).toEqual(['v2'])
  })

  it('CMP-3 blames nobody when the engines disagree: both sides have f+1 votes', () => {
    const campaign = pool('w1 w2 w3 v1 v2 v3')
    for (let round = 0; round < 4 && campaign.state.phase === 'running'; round++) {
      campaign.vote(campaign.assign(), (node) => (node.startsWith('w') ? 'x' : 'y'))
      campaign.sweep(SETTLE)
    }
    expect(campaign.task().outcome).toMatchObject({
      kind: 'undecidable',
      reason: expect.stringMatching(/the engines disagree: (v8 and wasmtime|wasmtime and v8)/),
    })
    expect(campaign.state.accusations).toEqual([])
    expect(campaign.state.credit).toEqual({})
  })

  it('CMP-3 waits for another engine, and says after a time of grace which one it could not do without', () => {
    const { campaign, late } = agreedByOne('w1 w2 w3 w4 v1')
    campaign.feed({ type: 'departed', node: late.node, reason: 'disconnected' })
    campaign.sweep(0)
    campaign.sweep(GRACE - 1)
    expect(campaign.task().outcome).toBeNull()
    campaign.restart()
    campaign.sweep(1)
    expect(campaign.task().outcome).toMatchObject({
      kind: 'undecidable',
      reason: expect.stringContaining('needs an engine other than wasmtime'),
    })
  })

  it('CMP-3 takes the answer of an engine that comes within the time of grace', () => {
    const { campaign, late } = agreedByOne()
    campaign.feed({ type: 'departed', node: late.node, reason: 'disconnected' })
    campaign.sweep(0)
    campaign.sweep(GRACE - 1)
    joinAll(campaign, 'v9')
    campaign.vote(campaign.assign(), () => 'x')
    expect(campaign.task()).toMatchObject({ outcome: { kind: 'accepted' }, agreed: { wasmtime: 2, v8: 1 } })
  })

  it('CMP-3 refuses tasks never handed out for the same reason', () => {
    const campaign = pool('v1 v2 v3', { count: 2 })
    campaign.sweep(GRACE)
    expect(campaign.state.tasks.map(({ outcome }) => outcome)).toEqual([
      { kind: 'undecidable', reason: expect.stringContaining('needs an engine other than v8') },
      { kind: 'undecidable', reason: expect.stringContaining('needs an engine other than v8') },
    ])
    expect(campaign.state.phase).toBe('finished')
  })

  it('CMP-3 gives up when nodes of the other engine each say something else', () => {
    const campaign = pool('w1 w2 v1 v2 v3 v4 v5 v6 v7 v8 v9')
    for (let round = 0; round < 12 && campaign.state.phase === 'running'; round++) {
      campaign.vote(campaign.assign(), (node) => (node.startsWith('w') ? 'x' : node))
      campaign.sweep(SETTLE)
    }
    expect(campaign.task().outcome).toEqual({
      kind: 'undecidable',
      reason: 'needs an engine other than wasmtime that agrees: none did among 9 replicas',
    })
    expect(campaign.state.accusations).toEqual([])
  })
})
