import { type Digest, digestOf, type Fuel, type LeaseId, type NodeId, utf8 } from '@askee/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CoordinatorEffect, CoordinatorEvent } from '../src/coordinator/events.ts'
import { step } from '../src/coordinator/machine.ts'
import { type CoordinatorState, DEFAULT_POLICY, initialState } from '../src/coordinator/state.ts'
import { claimDigest, commitmentOf } from '../src/protocol/result.ts'

const DOCUMENT = digestOf(utf8('document'))
const NONCE = '07'.repeat(32)
type Lease = { lease: LeaseId; node: NodeId; task: number }

let state: CoordinatorState
let now: number
let draws: number
beforeEach(() => open(1))

function open(count: number, f = 1): void {
  now = 1_000_000
  draws = 0
  state = initialState({
    campaign: 'c' as never,
    f,
    count,
    deadline: now + 3_600_000,
    minReputation: 0.5,
    wallTime: 10_000,
    policy: DEFAULT_POLICY,
  })
}

type Timeless = CoordinatorEvent extends infer E ? (E extends unknown ? Omit<E, 'now'> : never) : never
function feed(event: Timeless): readonly CoordinatorEffect[] {
  return step(state, { ...event, now } as CoordinatorEvent).effects
}

function join(
  name: string,
  more: { operator?: string; reputation?: number; slots?: number; queue?: number; replaces?: string } = {},
): void {
  feed({
    type: 'offered',
    node: name as NodeId,
    consent: 'c0',
    consentExpires: now + 10_000_000,
    operator: (more.operator ?? `owner of ${name}`) as NodeId,
    reputation: more.reputation ?? 1,
    slots: more.slots ?? 1,
    queue: more.queue ?? 8,
    replaces: (more.replaces ?? null) as NodeId | null,
  })
}

function assign(): Lease[] {
  const effects = feed({ type: 'assign', entropy: `${draws++}` })
  return effects.filter((effect) => effect.type === 'assign')
}

function claimOf(output: string): { output: Digest; claim: Digest } {
  const digest = digestOf(utf8(output))
  const claim = claimDigest({
    module: DOCUMENT,
    input: DOCUMENT,
    output: digest,
    trap: null,
    fuel: 5n as Fuel,
  })
  return { output: digest, claim }
}

function commit({ lease, node }: Lease, output: string): readonly CoordinatorEffect[] {
  const hash = commitmentOf(claimOf(output).claim, Buffer.from(NONCE, 'hex'), node, lease)
  return feed({ type: 'committed', node, document: DOCUMENT, commits: [{ lease, hash }] })
}

function reveal({ lease, node }: Lease, said: string): readonly CoordinatorEffect[] {
  const { output, claim } = claimOf(said)
  const vote = { output, trap: null, fuel: '5' }
  return feed({
    type: 'revealed',
    node,
    document: receiptsOf(node),
    reveals: [{ lease, vote, claim, nonce: NONCE }],
  })
}

/** What the node would sign. */
function receiptsOf(node: string): Digest {
  return digestOf(utf8(`receipts of ${node}`))
}

function types(effects: readonly CoordinatorEffect[]): string[] {
  return effects.map(({ type }) => type)
}

describe('assignment', () => {
  it('CMP-3 waits for 2f+1 distinct nodes and takes distinct operators where it can', () => {
    join('a', { operator: 'one' })
    join('b', { operator: 'one' })
    expect(assign()).toEqual([])
    for (const name of ['c', 'd']) join(name)
    for (let i = 0; i < 20; i++) {
      open(1)
      for (const name of ['a', 'b']) join(name, { operator: 'one' })
      for (const name of ['c', 'd']) join(name)
      const nodes = assign().map(({ node }) => node)
      expect(nodes).toHaveLength(3)
      expect(new Set(nodes).size).toBe(3)
      expect(nodes.includes('a' as NodeId) && nodes.includes('b' as NodeId)).toBe(false)
    }
  })

  it('CMP-10 believes nobody more than 64 tasks at once, nor gives anybody more than 256', () => {
    open(5000)
    for (const name of ['a', 'b', 'c']) join(name, { slots: 1024, queue: 4096 })
    expect(state.nodes['a' as NodeId]).toMatchObject({ slots: 64, window: 65 })
    for (let i = 0; i < 5; i++) for (const lease of assign()) commit(lease, 'x')
    expect(Math.max(...Object.values(state.nodes).map(({ window }) => window))).toBe(256)
  })

  it('CMP-10 gives the place of a node that is gone to another, but not that of one proven wrong or present', () => {
    for (const name of ['a', 'b', 'liar']) join(name)
    state.nodes['liar' as NodeId]!.accused = true
    for (const name of ['b', 'liar']) feed({ type: 'departed', node: name as NodeId, reason: 'disconnected' })
    for (const [name, replaces] of Object.entries({ c: 'a', d: 'b', e: 'liar' })) join(name, { replaces })
    expect(Object.keys(state.nodes).sort()).toEqual(['a', 'c', 'd', 'e', 'liar'])
  })

  it('CMP-10 gives nothing to nodes below the wanted reputation', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    join('new', { reputation: 0.4 })
    expect(assign().map(({ node }) => node)).not.toContain('new')
  })

  it('CMP-4 gives a node no more than it can take, and more once it proves quick', () => {
    open(100)
    for (const name of ['a', 'b', 'c']) join(name)
    const first = assign()
    expect(first).toHaveLength(6)
    now += 10
    for (const lease of first) commit(lease, 'x')
    expect(assign()).toHaveLength(12)
    for (const node of Object.values(state.nodes)) expect(node.inFlight).toBe(4)
  })

  it('CMP-4 hands a refused lease to another node and leaves a busy node alone for a while', () => {
    for (const name of ['a', 'b', 'c', 'd']) join(name)
    const [first] = assign()
    feed({ type: 'refused', node: first!.node, refusals: [{ lease: first!.lease, code: 'compute/busy' }] })
    const again = assign()
    expect(again).toHaveLength(1)
    expect(again[0]!.node).not.toBe(first!.node)
    expect(state.tasks[0]!.losses).toBe(0)
  })

  it('CON-1 asks nothing more of a node whose consent has ended, until it offers itself again', () => {
    open(10)
    for (const name of ['a', 'b', 'c', 'd']) join(name)
    const lease = assign().find(({ node }) => node === 'a')!
    feed({ type: 'refused', node: lease.node, refusals: [{ lease: lease.lease, code: 'consent/expired' }] })
    now += 100_000
    expect(assign().map(({ node }) => node)).not.toContain('a')
    join('a')
    expect(state.nodes['a' as NodeId]!.present).toBe(true)
  })

  it('CON-2 asks a node again whose consent has no room on disk just now, after a rest', () => {
    open(10)
    for (const name of ['a', 'b', 'c', 'd']) join(name)
    const lease = assign().find(({ node }) => node === 'a')!
    feed({ type: 'refused', node: lease.node, refusals: [{ lease: lease.lease, code: 'consent/storage' }] })
    expect(assign().map(({ node }) => node)).not.toContain('a')
    expect(state.tasks.every(({ losses }) => losses === 0)).toBe(true)
    const { present, strikes, backoffUntil } = state.nodes['a' as NodeId]!
    expect([present, strikes]).toEqual([true, 0])
    expect(backoffUntil).toBeGreaterThan(now)
    expect(backoffUntil).toBeLessThan(now + 60_000)
  })
})

describe('lost leases', () => {
  /** Two minutes of sweeps, nodes offering themselves as they do at every announcement. */
  function pass(names: readonly string[], seconds = 120): Lease[] {
    const given: Lease[] = []
    for (let i = 0; i < seconds; i++) {
      now += 1000
      for (const name of names) join(name)
      feed({ type: 'sweep' })
      given.push(...assign())
    }
    return given
  }

  it('CMP-4 decides after any number of short disconnects, restarts and silences of honest nodes', () => {
    const names = ['a', 'b', 'c']
    const reasons = [
      'silent',
      'undelivered',
      'mesh/unreachable',
      'mesh/timeout',
      'compute/busy',
      'consent/expired',
    ]
    for (const name of names) join(name)
    for (let blip = 0; blip < 12; blip++) {
      now += 70_000
      for (const name of names) join(name)
      for (const { lease, node } of assign()) {
        const reason = reasons[blip % reasons.length] as string
        if (blip % 2 === 0) feed({ type: 'departed', node, reason: 'disconnected' })
        else feed({ type: 'lost', losses: [{ lease, node, reason }] })
      }
      for (let i = 0; i < 5; i++) {
        now += 5000
        feed({ type: 'sweep' })
      }
      expect(state.tasks[0]!.outcome).toBeNull()
    }
    const leases = pass(names)
    expect(leases).toHaveLength(3)
    for (const lease of leases) commit(lease, 'x')
    for (const lease of leases) reveal(lease, 'x')
    expect(state.tasks[0]!.outcome?.kind).toBe('accepted')
  })

  it('CMP-4 gives up on nodes that fail at a task by their own doing, one after the other', () => {
    const names = ['a', 'b', 'c']
    for (const name of names) join(name)
    let failures = 0
    for (let i = 0; i < 600 && state.phase === 'running'; i++) {
      now += 1000
      for (const name of names) join(name)
      feed({ type: 'sweep' })
      for (const { lease, node } of assign()) {
        failures++
        feed({ type: 'lost', losses: [{ lease, node, reason: 'fault/wall-time' }] })
      }
    }
    expect(failures).toBe(12)
    expect(state.tasks[0]!.outcome).toMatchObject({ kind: 'undecidable' })
  })

  it('CMP-4 decides with f+1 honest nodes however many others fail', () => {
    const bad = Array.from({ length: 20 }, (_, i) => `bad ${i}`)
    for (const name of bad) join(name)
    const decide = (leases: readonly Lease[]): void => {
      for (const { lease, node } of leases) {
        if (node.startsWith('bad')) feed({ type: 'lost', losses: [{ lease, node, reason: 'fault/engine' }] })
      }
      const good = leases.filter(({ node }) => !node.startsWith('bad'))
      for (const lease of good) commit(lease, 'x')
    }
    for (let i = 0; i < 60; i++) decide(pass(bad, 1))
    expect(state.tasks[0]!.losses).toBeGreaterThan(24)
    expect(state.tasks[0]!.outcome).toBeNull()
    for (let i = 0; i < 1200 && state.tasks[0]!.outcome === null; i++) {
      decide(pass([...bad, 'good', 'better'], 1))
      for (const held of Object.values(state.leases)) {
        if (held.stage === 'asked') reveal({ ...held, lease: held.id }, 'x')
      }
    }
    expect(state.tasks[0]!.outcome?.kind).toBe('accepted')
  })

  it('CMP-4 lets a node try again after its failure only after a while', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    const [{ lease, node }] = assign() as [Lease]
    feed({ type: 'lost', losses: [{ lease, node, reason: 'fault/child-died' }] })
    expect(assign()).toEqual([])
    expect(pass(['a', 'b', 'c'], 3).map((again) => again.node)).toEqual([node])
  })
})

describe('a node that fails at one task and does others', () => {
  it('CMP-4 waits longer each time before it tries that task again', () => {
    open(2)
    const fail = ({ lease, node }: Lease): void => {
      feed({ type: 'lost', losses: [{ lease, node, reason: 'fault/engine' }] })
    }
    for (const name of ['a', 'b', 'c']) join(name)
    const leases = assign().filter(({ node }) => node === 'a')
    expect(leases.map(({ task }) => task)).toEqual([0, 1])
    fail(leases[0]!)
    now += DEFAULT_POLICY.backoffBase
    // Doing another task clears the node's strikes, not what it failed at.
    commit(leases[1]!, 'x')
    fail(assign().find(({ task }) => task === 0)!)
    now += DEFAULT_POLICY.backoffBase
    expect(assign()).toEqual([])
    now += DEFAULT_POLICY.backoffBase
    expect(assign()).toHaveLength(1)
  })
})

describe('commit and reveal', () => {
  it('CMP-3 asks nobody to reveal before all have committed', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    const [a, b, c] = assign() as [Lease, Lease, Lease]
    expect(types(commit(a, 'x'))).not.toContain('reveal')
    expect(types(commit(b, 'x'))).not.toContain('reveal')
    expect(types(commit(c, 'x')).filter((type) => type === 'reveal')).toHaveLength(3)
  })

  it('CMP-3 waits for stragglers only so long once f+1 have committed', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    const [a, b] = assign() as [Lease, Lease]
    commit(a, 'x')
    commit(b, 'x')
    now += DEFAULT_POLICY.stragglerFloor - 1
    expect(types(feed({ type: 'sweep' }))).not.toContain('reveal')
    now += 1
    expect(types(feed({ type: 'sweep' })).filter((type) => type === 'reveal')).toHaveLength(2)
    reveal(a, 'x')
    expect(types(reveal(b, 'x'))).toContain('finished')
    expect(state.tasks[0]!.outcome?.kind).toBe('accepted')
  })

  it('CMP-3 holds a node to its first commitment', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    const leases = assign() as [Lease, Lease, Lease]
    commit(leases[0], 'x')
    expect(commit(leases[0], 'y')).toEqual([])
    commit(leases[1], 'x')
    commit(leases[2], 'x')
    expect(types(reveal(leases[0], 'y'))).toContain('accused')
  })

  it('CMP-3 accuses who reveals other than it committed to, and does not count the vote', () => {
    for (const name of ['a', 'b', 'c', 'd']) join(name)
    const leases = assign() as [Lease, Lease, Lease]
    for (const lease of leases) commit(lease, lease === leases[0] ? 'lie' : 'x')
    reveal(leases[1], 'x')
    const effects = reveal(leases[0], 'x')
    expect(state.tasks[0]!.outcome).toBeNull()
    expect(effects.find(({ type }) => type === 'accused')).toMatchObject({
      accusation: {
        node: leases[0].node,
        offence: 'broken-commitment',
        evidence: [DOCUMENT, receiptsOf(leases[0].node)],
      },
    })
    reveal(leases[2], 'x')
    expect(state.tasks[0]!.outcome).toMatchObject({
      kind: 'accepted',
      receipts: [receiptsOf(leases[1].node), receiptsOf(leases[2].node)],
    })
  })

  it('CMP-3 takes no reveal that it did not ask for', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    const [a] = assign() as [Lease]
    commit(a, 'x')
    expect(reveal(a, 'x')).toEqual([])
    expect(state.leases[a.lease]!.stage).toBe('committed')
  })

  it('CMP-4 does not wait for ever for a reveal', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    const [a, b, c] = assign() as [Lease, Lease, Lease]
    for (const lease of [a, b, c]) commit(lease, 'x')
    reveal(a, 'x')
    reveal(b, 'x')
    expect(state.phase).toBe('running')
    now += DEFAULT_POLICY.revealTimeout
    expect(types(feed({ type: 'sweep' }))).toContain('finished')
    expect(state.leases[c.lease]).toBeUndefined()
  })
})

describe('decision', () => {
  function vote(said: Record<string, string>): Lease[] {
    const leases = assign()
    for (const lease of leases) commit(lease, said[lease.node] as string)
    for (const lease of leases) reveal(lease, said[lease.node] as string)
    return leases
  }

  it('CMP-3 adds one replica at a time on fresh nodes when three disagree', () => {
    for (const name of ['a', 'b', 'c']) join(name)
    vote({ a: '1', b: '2', c: '3' })
    expect(state.tasks[0]!.outcome).toBeNull()
    join('d')
    join('e')
    expect(vote({ d: '2', e: '2' })).toHaveLength(1)
    expect(state.tasks[0]!.outcome?.kind).toBe('accepted')
    expect(new Set(state.accusations.map(({ node }) => node)).size).toBe(2)
  })

  it('CMP-3 gives a proven liar nothing more', () => {
    open(40)
    for (const name of ['a', 'b', 'liar']) join(name)
    const leases = assign().filter(({ task }) => task === 0)
    for (const lease of leases) commit(lease, lease.node === 'liar' ? 'lie' : 'x')
    for (const lease of leases) reveal(lease, lease.node === 'liar' ? 'lie' : 'x')
    expect(state.accusations.map(({ node }) => node)).toEqual(['liar'])
    expect(Object.values(state.leases).filter(({ node }) => node === 'liar')).toEqual([])
    now += 10_000
    join('d')
    expect(assign().map(({ node }) => node)).not.toContain('liar')
  })

  it('CMP-3 accuses a liar whose reveal comes after the decision', () => {
    for (const name of ['a', 'b', 'liar']) join(name)
    const leases = assign()
    for (const lease of leases) commit(lease, lease.node === 'liar' ? 'lie' : 'x')
    for (const lease of leases) if (lease.node !== 'liar') reveal(lease, 'x')
    expect(state.tasks[0]!.outcome?.kind).toBe('accepted')
    expect(state.phase).toBe('running')
    expect(types(reveal(leases.find(({ node }) => node === 'liar')!, 'lie'))).toEqual([
      'judged',
      'settle',
      'accused',
      'finished',
    ])
  })

  it('CMP-3 calls it undecidable when two results have f+1 votes', () => {
    open(1, 0)
    state.tasks[0]!.wanted = 2
    for (const name of ['a', 'b']) join(name)
    vote({ a: '1', b: '2' })
    expect(state.tasks[0]!.outcome).toMatchObject({ kind: 'undecidable' })
    expect(state.accusations).toEqual([])
  })

  it('CMP-6 credits the agreed fuel to those who agreed and nothing to others', () => {
    for (const name of ['a', 'b', 'liar']) join(name)
    vote({ a: 'x', b: 'x', liar: 'lie' })
    expect(state.credit).toEqual({ a: '5', b: '5' })
    expect(
      Object.values(state.unsettled)
        .map(({ outcome }) => outcome)
        .sort(),
    ).toEqual(['accepted', 'accepted', 'rejected'])
  })

  it('CMP-4 ends what is left at the deadline', () => {
    open(3)
    for (const name of ['a', 'b', 'c']) join(name)
    assign()
    now = state.config.deadline
    expect(types(feed({ type: 'sweep' })).filter((type) => type === 'undecidable')).toHaveLength(3)
    expect(state.phase).toBe('expired')
    expect(state.leases).toEqual({})
  })

  it('CMP-4 ends at its deadline what is open for tasks already decided, once and without blame', () => {
    open(1)
    for (const name of ['a', 'b', 'c']) join(name)
    const leases = assign()
    for (const lease of leases) commit(lease, 'x')
    for (const lease of leases.slice(0, 2)) reveal(lease, 'x')
    expect(state.tasks[0]!.outcome?.kind).toBe('accepted')
    now = state.config.deadline
    expect(types(feed({ type: 'sweep' }))).toEqual(['settle', 'finished'])
    expect(state.phase).toBe('finished')
    expect(state.leases).toEqual({})
    expect(state.nodes[leases[2]!.node]!.strikes).toBe(0)
    expect(step(state, { type: 'sweep', now }).changed).toBe(false)
  })

  it('CMP-2 asks again for reveals and settlements after a restart', () => {
    open(2)
    for (const name of ['a', 'b', 'c']) join(name)
    const leases = assign()
    for (const lease of leases) commit(lease, 'x')
    for (const lease of leases) if (lease.task === 0) reveal(lease, 'x')
    const effects = types(feed({ type: 'resumed' }))
    expect(effects.filter((type) => type === 'reveal')).toHaveLength(3)
    expect(effects.filter((type) => type === 'settle')).toHaveLength(3)
  })
})
