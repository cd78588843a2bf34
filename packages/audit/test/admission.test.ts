import { type NodeId, systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { signCheckpoint } from '../src/index.ts'
import { EMPTY_ROOT } from '../src/merkle.ts'
import { signBeginning } from '../src/own/beginning.ts'
import { admit, TENURE, type Tenant } from '../src/witness/admission.ts'
import { tokenBucket } from '../src/witness/token-bucket.ts'
import { show, Watching } from './support/watching.ts'

let watching = new Watching()
afterEach(async () => {
  await watching.stop()
  watching = new Watching()
})

const id = (text: string) => text as NodeId

describe('a witness that is full', () => {
  it('AUD-1 keeps every consented, connected and long watched node, whatever a flood of new ids does', () => {
    const HOUR = 3_600_000
    // What an attacker can do: come with a new id, come back with an old one to grow old with it, go away, wait.
    const step = fc.oneof(
      fc.record({ kind: fc.constant('new' as const), stays: fc.boolean() }),
      fc.record({ kind: fc.constant('again' as const), which: fc.nat(30) }),
      fc.record({ kind: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 30 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const limit = 12
        let now = 1_000 * HOUR
        const honest: Tenant[] = [
          { node: id('consented'), first: now, last: now },
          { node: id('connected'), first: now, last: now },
          { node: id('old'), first: now - TENURE, last: now },
        ]
        let tenants = [...honest]
        const present = new Set([id('connected')])
        const isProtected = (node: NodeId) => node === id('consented') || present.has(node)
        let made = 0
        for (const action of steps) {
          if (action.kind === 'wait') now += action.hours * HOUR
          if (action.kind === 'again') {
            const at = action.which % tenants.length
            tenants = tenants.map((tenant, i) => (i === at ? { ...tenant, last: now } : tenant))
          }
          if (action.kind === 'new') {
            const node = id(`attacker-${made++}`)
            // So many connections as a node takes, not as many as there are ids.
            if (action.stays && present.size < 5) present.add(node)
            const admission = admit(tenants, 'stranger', limit, isProtected)
            if (admission.state === 'admitted') {
              tenants = tenants.filter((tenant) => tenant.node !== admission.evict)
              tenants.push({ node, first: now, last: now })
            }
          }
          expect(tenants.length).toBeLessThanOrEqual(limit)
          for (const { node } of honest) expect(tenants.map((tenant) => tenant.node)).toContain(node)
        }
        // Who gave this node a consent finds a place all the same, unless all others have more claim to theirs.
        if (tenants.some(({ node }) => !isProtected(node))) {
          expect(admit(tenants, 'consented', limit, isProtected).state).toBe('admitted')
        }
      }),
      { numRuns: 200 },
    )
  })

  it('AUD-1 lets floods put out one another: the shortest watched goes first, the longest silent of equals', () => {
    const tenants: Tenant[] = [
      { node: id('a'), first: 0, last: 5 },
      { node: id('b'), first: 10, last: 12 },
      { node: id('c'), first: 3, last: 5 },
    ]
    expect(admit(tenants, 'stranger', 3, () => false)).toEqual({ state: 'admitted', evict: id('c') })
    expect(admit(tenants, 'stranger', 4, () => false)).toEqual({ state: 'admitted', evict: null })
    expect(admit(tenants, 'stranger', 3, () => true)).toEqual({ state: 'refused' })
    const old = tenants.map((tenant) => ({ ...tenant, last: tenant.first + TENURE }))
    expect(admit(old, 'stranger', 3, () => false)).toEqual({ state: 'refused' })
    expect(admit(old, 'consented', 3, () => false)).toMatchObject({ state: 'admitted' })
  })

  it('AUD-1 takes on so many strangers in a time, and then one now and then', () => {
    let now = 0
    const clock = { now: () => now, monotonic: () => now }
    const take = tokenBucket(clock, { burst: 3, perSecond: 0.1 })
    expect([take(), take(), take(), take()]).toEqual([true, true, true, false])
    now += 10_000
    expect([take(), take()]).toEqual([true, false])
    now += 3_600_000
    expect([take(), take(), take(), take()]).toEqual([true, true, true, false])
  })

  /** A new id that asks for a cosignature and goes away. */
  async function passerBy(to: NodeId, identity = createIdentity(systemRandom)): Promise<boolean> {
    const mesh = await watching.node(identity)
    const log = '12'.repeat(16)
    const note = signCheckpoint(identity, { log, size: 0, root: EMPTY_ROOT, extensions: [] })
    const begun = { node: identity.id, log, at: 0, reason: 'x', former: [] }
    const { bytes: beginning } = signBeginning(identity, begun)
    const asked = show(mesh, identity, to, { note, from: 0, root: EMPTY_ROOT, proof: [], beginning })
    const answered = await asked.then(
      () => true,
      (error: { details?: { code?: string } }) => {
        expect(error.details?.code).toBe('audit/witness-full')
        return false
      },
    )
    await mesh.stop()
    return answered
  }

  it('AUD-1 never holds more than its limit, nor loses a consented node, over the real protocol', async () => {
    const friend = createIdentity(systemRandom)
    const newcomers = { burst: 8, perSecond: 0 }
    const { id: to, witness } = await watching.watcher({ maxNodes: 4, newcomers }, [friend.id])
    expect(await passerBy(to, friend)).toBe(true)
    const taken: boolean[] = []
    for (let i = 0; i < 12; i++) taken.push(await passerBy(to))
    // Eight by the rate; of these only as many are kept as there is room for.
    expect(taken.filter(Boolean)).toHaveLength(8)
    expect(witness.watched()).toBe(4)
    expect(witness.kept(friend.id)).toHaveLength(1)
  })
})
