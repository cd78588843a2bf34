import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Behavior, Chaos, type ChaosInit, FAULTS, rightOutput } from './support/chaos.ts'

/** A pool with at most f faulty nodes and at least 2f+1 honest ones, so that every task can be decided. */
const withinBound: fc.Arbitrary<ChaosInit> = fc.integer({ min: 1, max: 2 }).chain((f) =>
  fc.record({
    f: fc.constant(f),
    tasks: fc.integer({ min: 1, max: 8 }),
    nodes: fc
      .tuple(
        fc.array(fc.constantFrom<Behavior>('honest', 'honest', 'flaky', 'slow'), {
          minLength: 2 * f + 1,
          maxLength: 2 * f + 4,
        }),
        fc.array(fc.constantFrom(...FAULTS), { maxLength: f }),
      )
      .map(([good, bad]): Behavior[] => [...bad, ...good]),
    choices: fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 60 }),
    crashEvery: fc.constantFrom(0, 0, 7, 31),
    engines: fc.constantFrom('any', 'diverse'),
  }),
)

/** Any pool at all: too small, all faulty, empty. */
const anyPool: fc.Arbitrary<ChaosInit> = fc.record({
  f: fc.integer({ min: 0, max: 2 }),
  tasks: fc.integer({ min: 1, max: 5 }),
  nodes: fc.array(fc.constantFrom<Behavior>('honest', 'slow', 'flaky', ...FAULTS), { maxLength: 7 }),
  choices: fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 60 }),
  crashEvery: fc.constantFrom(0, 13),
  engines: fc.constantFrom('any', 'diverse'),
})

function isHonest(init: ChaosInit, node: number): boolean {
  return isHonestBehavior(init.nodes[node])
}

function isHonestBehavior(behavior: Behavior | undefined): boolean {
  return behavior === 'honest' || behavior === 'slow' || behavior === 'flaky'
}

describe('the coordinator under chaos', () => {
  it('CMP-3 accepts every task, only with right results, and accuses no honest node, with at most f faulty', () => {
    fc.assert(
      fc.property(withinBound, (init) => {
        const chaos = new Chaos({ ...init, deadlineSeconds: 2000 })
        chaos.run()
        expect(chaos.state.phase).toBe('finished')
        chaos.state.tasks.forEach((task, index) => {
          expect(task.outcome).toMatchObject({ kind: 'accepted', vote: { output: rightOutput(index) } })
        })
        for (const node of chaos.accused) expect(isHonest(init, node)).toBe(false)
      }),
      { numRuns: 100 },
    )
  })

  it('CMP-3 accepts only what two engines agree on where that is asked for, whatever the pool', () => {
    fc.assert(
      fc.property(anyPool, (init) => {
        const chaos = new Chaos({ ...init, engines: 'diverse' })
        chaos.run()
        for (const { outcome, agreed } of chaos.state.tasks) {
          if (outcome?.kind !== 'accepted') expect(agreed).toBeUndefined()
          else expect(agreed).toEqual({ v8: expect.any(Number), wasmtime: expect.any(Number) })
        }
      }),
      { numRuns: 100 },
    )
  })

  it('CMP-3 accepts nothing wrong when all nodes of one engine err together, and accuses no honest node', () => {
    const faulty = fc.constantFrom('v8', 'wasmtime')
    fc.assert(
      fc.property(withinBound, faulty, (init, faultyEngine) => {
        const nodes = init.nodes.map((behavior) => (isHonestBehavior(behavior) ? behavior : 'silent'))
        const chaos = new Chaos({ ...init, nodes, engines: 'diverse', faultyEngine })
        chaos.run()
        expect(chaos.accepted).toEqual(new Map())
        expect(chaos.accused).toEqual(new Set())
      }),
      { numRuns: 60 },
    )
  })

  it('CMP-4 ends every task once, whatever the pool', () => {
    fc.assert(
      fc.property(anyPool, (init) => {
        const chaos = new Chaos(init)
        chaos.run()
        expect(chaos.state.phase).not.toBe('running')
        expect(chaos.state.open).toBe(0)
        for (const times of chaos.accepted.values()) expect(times).toBe(1)
        for (const node of Object.values(chaos.state.nodes)) expect(node.inFlight).toBe(0)
        for (const [index, task] of chaos.state.tasks.entries()) {
          const accepted = task.outcome?.kind === 'accepted'
          expect(chaos.accepted.has(index)).toBe(accepted)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('CMP-2 gives the same state when the journal is replayed, after every crash', () => {
    fc.assert(
      fc.property(anyPool, (init) => {
        const chaos = new Chaos(init)
        chaos.run(400)
        expect(chaos.replayed()).toEqual(JSON.parse(JSON.stringify(chaos.state)))
      }),
      { numRuns: 100 },
    )
  })

  it('CMP-3 never has two replicas of a task on one node at once, nor more than one vote of it', () => {
    fc.assert(
      fc.property(anyPool, (init) => {
        const chaos = new Chaos(init)
        for (let i = 0; i < 40; i++) {
          chaos.run(i === 0 ? 20 : 10)
          for (const task of chaos.state.tasks) {
            const nodes = task.leases.map((lease) => chaos.state.leases[lease]?.node)
            expect(new Set(nodes).size).toBe(nodes.length)
          }
        }
      }),
      { numRuns: 40 },
    )
  })
})
