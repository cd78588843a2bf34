import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  activeKey,
  type ChainEffect,
  type ChainEvent,
  type ChainState,
  emptyChain,
  type KeyRecord,
} from '../src/hierarchy/chain.ts'
import { stepChain } from '../src/hierarchy/machine.ts'
import { isOpenable, TRANSITIONS } from '../src/hierarchy/states.ts'

const HOUR = 3_600_000
const POLICY = { activeFor: 24 * HOUR, lead: HOUR, grace: 24 * HOUR }
const START = 1_700_000_000_000

/** Carries out effects at once, as the shell does, and keeps what an outsider sees. */
class Chain {
  state: ChainState = emptyChain('sealing', POLICY)
  now = START
  made = 0
  readonly secrets = new Set<string>()
  readonly published: KeyRecord[] = []
  readonly revoked = new Set<string>()
  readonly changes: (readonly [string, KeyRecord['state'], KeyRecord['state']])[] = []

  send(event: ChainEvent): void {
    const before = structuredClone(this.state)
    const frozen = structuredClone(this.state)
    const { state, effects } = stepChain(this.state, event)
    expect(this.state, 'a machine changes nothing it was given').toEqual(frozen)
    expect(stepChain(before, event)).toEqual({ state, effects })
    for (const key of state.keys) {
      const old = before.keys.find(({ kid }) => kid === key.kid)
      if (old !== undefined && old.state !== key.state) this.changes.push([key.kid, old.state, key.state])
    }
    this.state = state
    for (const effect of effects) this.carryOut(effect)
  }

  carryOut(effect: ChainEffect): void {
    if (effect.type === 'make') {
      const kid = `key-${++this.made}`
      this.secrets.add(kid)
      const { now } = this
      this.send({ type: 'made', now, sequence: effect.sequence, kid, publicKey: new Uint8Array(32) })
    } else if (effect.type === 'publish') {
      this.published.push(this.key(effect.kid))
    } else if (effect.type === 'revoke') {
      for (const kid of effect.revocation.kids) this.revoked.add(kid)
    } else {
      this.secrets.delete(effect.kid)
      this.send({ type: 'secret-gone', kid: effect.kid })
    }
  }

  key(kid: string): KeyRecord {
    return this.state.keys.find((key) => key.kid === kid) as KeyRecord
  }

  /** Kids whose envelopes are opened now. */
  openable(): string[] {
    return this.state.keys.filter(({ state }) => isOpenable(state)).map(({ kid }) => kid)
  }

  pass(span: number): void {
    this.now += span
    this.send({ type: 'tick', now: this.now })
  }
}

/** States that numbered transitions lead to: after a long sleep a key takes several at once. */
function reachable(from: KeyRecord['state']): KeyRecord['state'][] {
  const next = Object.values(TRANSITIONS).filter(([a]) => a === from)
  return next.flatMap(([, to]) => [to, ...reachable(to)])
}

function begun(): Chain {
  const chain = new Chain()
  chain.send({ type: 'loaded', now: chain.now })
  return chain
}

describe('a chain of keys', () => {
  it('KEY-1 never leaves destroyed, and leaves compromised only for it', () => {
    expect(reachable('destroyed')).toEqual([])
    expect(reachable('compromised')).toEqual(['destroyed'])
    expect(reachable('retired')).not.toContain('active')
    expect(reachable('grace')).not.toContain('active')
  })

  it('KEY-1 has an active key from the first moment, and tells of its successor an hour ahead', () => {
    const chain = begun()
    expect(activeKey(chain.state)?.kid).toBe('key-1')
    chain.pass(23 * HOUR - 1)
    expect(chain.published).toHaveLength(1)
    chain.pass(1)
    expect(chain.published.map(({ kid }) => kid)).toEqual(['key-1', 'key-2'])
    expect(chain.key('key-2')).toMatchObject({
      state: 'pre-active',
      notBefore: START + 24 * HOUR,
      previous: 'key-1',
    })
    expect(activeKey(chain.state)?.kid).toBe('key-1')
    chain.pass(HOUR)
    expect([chain.key('key-1').state, chain.key('key-2').state]).toEqual(['grace', 'active'])
  })

  it('KEY-1 keeps the old key for 24 hours of grace, then destroys its secret', () => {
    const chain = begun()
    for (let hour = 0; hour < 47; hour++) chain.pass(HOUR)
    expect(chain.key('key-1').state).toBe('grace')
    expect(chain.secrets.has('key-1')).toBe(true)
    chain.pass(HOUR - 1)
    expect(chain.secrets.has('key-1')).toBe(true)
    chain.pass(1)
    expect(chain.key('key-1').state).toBe('destroyed')
    expect(chain.secrets.has('key-1')).toBe(false)
  })

  it('KEY-1 on demand puts a new key in place at once; the old one is in grace as long as others may use it', () => {
    const chain = begun()
    chain.pass(2 * HOUR)
    chain.send({ type: 'rotate', now: chain.now })
    expect(activeKey(chain.state)).toMatchObject({ kid: 'key-2', sequence: chain.now, notBefore: chain.now })
    expect(chain.key('key-1').state).toBe('grace')
    chain.pass(45 * HOUR)
    expect(chain.openable()).toContain('key-1')
    chain.pass(HOUR)
    expect(chain.openable()).not.toContain('key-1')
  })

  it('KEY-1 in an emergency voids every key at once and goes on with a new one', () => {
    const chain = begun()
    chain.pass(23 * HOUR)
    chain.send({ type: 'rotate', now: chain.now })
    const old = chain.openable()
    expect(old).toHaveLength(3)
    chain.send({ type: 'compromised', now: chain.now, reason: 'compromised' })
    expect([...chain.revoked].sort()).toEqual(old.sort())
    expect(chain.openable()).toEqual(['key-4'])
    expect([...chain.secrets]).toEqual(['key-4'])
    expect(chain.state.revocations).toMatchObject([
      { sequence: Math.max(...chain.state.keys.slice(0, 3).map(({ sequence }) => sequence)), kids: old },
    ])
    for (let day = 0; day < 4; day++) chain.pass(24 * HOUR)
    expect(chain.state.revocations).toEqual([])
  })

  it('KEY-1 after a long sleep drops what is over and has an active key again', () => {
    const chain = begun()
    chain.pass(1000 * HOUR)
    expect(activeKey(chain.state)).toMatchObject({ kid: 'key-2', notBefore: chain.now })
    expect([...chain.secrets]).toEqual(['key-2'])
  })

  it('KEY-1 goes on above what others know when its chain was lost, and never back with the clock', () => {
    const chain = begun()
    chain.pass(20 * HOUR)
    chain.send({ type: 'rotate', now: chain.now })
    const known = chain.state.nextSequence
    const afresh = stepChain(emptyChain('sealing', POLICY), { type: 'loaded', now: chain.now + 1 })
    expect(afresh.state.making?.sequence).toBeGreaterThanOrEqual(known)
    const back = stepChain(chain.state, { type: 'rotate', now: START - HOUR })
    expect(back.state.making?.sequence).toBe(known)
  })

  it('KEY-1 does again after a restart what was under way', () => {
    const chain = begun()
    const { state } = stepChain(chain.state, { type: 'compromised', now: chain.now, reason: 'lost' })
    const { effects } = stepChain(state, { type: 'loaded', now: chain.now })
    expect(effects.map(({ type }) => type)).toEqual(['destroy', 'revoke', 'make'])
    // The one made for the process that ended is not taken, and does not stay.
    const answered = stepChain(stepChain(state, { type: 'loaded', now: chain.now }).state, {
      type: 'made',
      now: chain.now,
      sequence: state.making?.sequence as number,
      kid: 'late',
      publicKey: new Uint8Array(32),
    })
    expect(answered.effects).toEqual([{ type: 'destroy', kid: 'late' }])
  })

  it('KEY-1 holds its rules through any order of time, rotations, emergencies and restarts', () => {
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('pass' as const),
          span: fc.integer({ min: 0, max: 30 * HOUR }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constantFrom('rotate' as const, 'emergency' as const, 'restart' as const),
          span: fc.constant(0),
        }),
      },
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const chain = begun()
        const void_ = new Set<string>()
        for (const one of actions) {
          if (one.do === 'pass') chain.pass(one.span)
          else if (one.do === 'rotate') chain.send({ type: 'rotate', now: chain.now })
          else if (one.do === 'restart') chain.send({ type: 'loaded', now: chain.now })
          else {
            for (const { kid } of chain.state.keys) void_.add(kid)
            chain.send({ type: 'compromised', now: chain.now, reason: 'compromised' })
          }
          const { keys } = chain.state
          expect(keys.filter(({ state }) => state === 'active')).toHaveLength(1)
          expect(keys.map(({ sequence }) => sequence)).toEqual(
            [...new Set(keys.map(({ sequence }) => sequence))].sort((a, b) => a - b),
          )
          // No secret outlives its use, none goes before.
          expect([...chain.secrets].sort()).toEqual(chain.openable().sort())
          for (const kid of void_) expect(chain.openable()).not.toContain(kid)
          // What was told to others is opened until its grace is over.
          for (const told of chain.published) {
            if (void_.has(told.kid) || told.expires + POLICY.grace <= chain.now) continue
            expect(chain.openable()).toContain(told.kid)
          }
          expect(keys.length).toBeLessThan(40)
        }
        for (const [, from, to] of chain.changes) expect(reachable(from), `${from} to ${to}`).toContain(to)
      }),
      { numRuns: 150 },
    )
  })
})
