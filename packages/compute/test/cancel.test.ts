import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Behavior, Chaos, FAULTS } from './support/chaos.ts'
import { Cluster, campaignOf } from './support/cluster.ts'
import { CoordinatorDriver, type Lease } from './support/coordinator-driver.ts'
import { honest, silent } from './support/function-executor.ts'

const WHY = 'a wrong input'
const CANCELLED = { kind: 'undecidable', reason: 'cancelled by its requester: a wrong input' }

/** Every stage in which a cancellation finds a task whose three replicas are with a, b and c. */
const STAGES: readonly (readonly [string, (driver: CoordinatorDriver, leases: readonly Lease[]) => void])[] =
  [
    ['handed out', () => {}],
    ['committed by one', (driver, [first]) => void driver.commit(first!, 'right')],
    ['committed by all', (driver, leases) => leases.forEach((lease) => void driver.commit(lease, 'right'))],
    [
      'revealed by one',
      (driver, leases) => {
        for (const lease of leases) driver.commit(lease, 'right')
        driver.reveal(leases[0]!, 'right')
      },
    ],
    ['in dispute', (driver, leases) => driver.vote(leases, (node) => `only ${node} says so`)],
  ]

describe('a campaign that its requester cancels', () => {
  it.each(STAGES)(
    'CMP-4 ends at once a task that is %s, with a word to each worker and blame for nobody',
    (_, reach) => {
      const driver = new CoordinatorDriver({ count: 2 })
      for (const name of ['a', 'b', 'c']) driver.join(name)
      const leases = driver.assign()
      reach(
        driver,
        leases.filter(({ task }) => task === 0),
      )
      const held = Object.values(driver.state.leases)
      const effects = driver.feed({ type: 'cancelled', reason: WHY })
      expect(driver.state).toMatchObject({
        phase: 'cancelled',
        cancelled: WHY,
        open: 0,
        accusations: [],
        credit: {},
      })
      expect(driver.state.tasks.map(({ outcome }) => outcome)).toEqual([CANCELLED, CANCELLED])
      const told = effects.filter((effect) => effect.type === 'settle')
      expect(
        new Map(told.map(({ lease, node, outcome, credit }) => [lease, [node, outcome, credit]])),
      ).toEqual(new Map(held.map(({ id, node }) => [id, [node, 'cancelled', '0']])))
      expect(driver.state.unsettled).toEqual(
        Object.fromEntries(held.map(({ id }) => [id, expect.anything()])),
      )
      expect(effects.filter(({ type }) => type === 'finished')).toHaveLength(1)
      expect(Object.values(driver.state.nodes).every(({ inFlight }) => inFlight === 0)).toBe(true)
    },
  )

  it('CMP-4 keeps what was accepted, and changes nothing the second time or afterwards', () => {
    const driver = new CoordinatorDriver({ f: 0, count: 2 })
    driver.join('a')
    driver.sweep(3000)
    const [first, second] = driver.assign()
    driver.vote([first!], () => 'right')
    driver.feed({ type: 'cancelled', reason: WHY })
    const after = structuredClone(driver.state)
    expect(after.tasks.map(({ outcome }) => outcome?.kind)).toEqual(['accepted', 'undecidable'])
    expect(after.credit).toEqual({ a: '5' })
    driver.feed({ type: 'cancelled', reason: 'another' })
    driver.join('b')
    driver.assign()
    driver.commit(second!, 'right')
    driver.sweep(4_000_000)
    expect({ ...driver.state, nodes: {}, poolChangedAt: 0 }).toEqual({
      ...after,
      nodes: {},
      poolChangedAt: 0,
    })
  })

  it('CMP-4 waits no longer for a reveal that an accepted task could do without, and blames nobody for it', () => {
    const driver = new CoordinatorDriver({ count: 2 })
    for (const name of ['a', 'b', 'c']) driver.join(name)
    const voters = driver.assign().filter(({ task }) => task === 0)
    for (const lease of voters) driver.commit(lease, 'right')
    for (const lease of voters.slice(1)) driver.reveal(lease, 'right')
    const late = voters[0]!
    expect(driver.state.leases[late.lease]?.stage).toBe('asked')
    const effects = driver.feed({ type: 'cancelled', reason: WHY })
    expect(effects).toContainEqual(
      expect.objectContaining({ type: 'settle', lease: late.lease, outcome: 'cancelled', credit: '0' }),
    )
    expect(driver.state.phase).toBe('cancelled')
    expect(driver.task().outcome?.kind).toBe('accepted')
    expect(driver.state.leases).toEqual({})
    expect(driver.state.accusations).toEqual([])
  })

  it('CMP-2 is cancelled still after a crash, and tells those again who may not have heard it', () => {
    const driver = new CoordinatorDriver()
    for (const name of ['a', 'b', 'c']) driver.join(name)
    const leases = driver.assign()
    driver.feed({ type: 'cancelled', reason: WHY })
    driver.feed({ type: 'settled', leases: [leases[0]!.lease] })
    driver.restart()
    expect(driver.state).toMatchObject({ phase: 'cancelled', cancelled: WHY })
    const told = driver.feed({ type: 'resumed' }).filter(({ type }) => type === 'settle')
    expect(told).toMatchObject(leases.slice(1).map(({ node }) => ({ node, outcome: 'cancelled' })))
  })

  it('CMP-4 says of a campaign that is decided that there is nothing to cancel', () => {
    const driver = new CoordinatorDriver({ f: 0 })
    driver.join('a')
    driver.sweep(3000)
    driver.vote(driver.assign(), () => 'right')
    expect(driver.feed({ type: 'cancelled', reason: WHY })).toEqual([])
    expect(driver.state).toMatchObject({ phase: 'finished' })
    expect(driver.state.cancelled).toBeUndefined()
  })

  it('CMP-4 is over at once whatever its nodes do and wherever it was, and a replay says the same', () => {
    const pool = fc.record({
      f: fc.integer({ min: 0, max: 2 }),
      tasks: fc.integer({ min: 1, max: 5 }),
      nodes: fc.array(fc.constantFrom<Behavior>('honest', 'slow', 'flaky', ...FAULTS), { maxLength: 7 }),
      choices: fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 60 }),
      crashEvery: fc.constantFrom(0, 13),
      engines: fc.constantFrom('any' as const, 'diverse' as const),
    })
    fc.assert(
      fc.property(pool, fc.nat({ max: 150 }), (init, steps) => {
        const chaos = new Chaos(init)
        chaos.run(steps)
        const { phase, open } = chaos.state
        const accepted = new Map(chaos.accepted)
        const accused = new Set(chaos.accused)
        chaos.cancel(WHY)
        const decided = phase !== 'running' || open === 0
        expect(chaos.state.cancelled).toBe(decided ? undefined : WHY)
        if (!decided) {
          expect(chaos.state).toMatchObject({ phase: 'cancelled', open: 0 })
          expect([chaos.state.leases, chaos.state.retry]).toEqual([{}, []])
          expect(chaos.run(300)).toBe(0)
          expect([chaos.accepted, chaos.accused]).toEqual([accepted, accused])
        }
        expect(chaos.replayed()).toEqual(JSON.parse(JSON.stringify(chaos.state)))
      }),
      { numRuns: 100 },
    )
  })
})

describe('cancelling over the mesh', () => {
  let cluster: Cluster
  let directory: string
  beforeEach(async () => {
    cluster = new Cluster()
    directory = await mkdtemp(join(tmpdir(), 'askee-compute-'))
  })
  afterEach(async () => {
    await cluster.stop()
    await rm(directory, { recursive: true })
  })

  it('CMP-4 stops what runs for it on every worker, gives them nothing more of it, and ends who waits', async () => {
    const requester = await cluster.requester()
    const workers = await cluster.volunteers(3, silent)
    const id = await requester.submit(campaignOf(6))
    const held = () => workers.map(({ worker }) => worker.status().leases.length)
    const runs = () =>
      workers.every(({ worker }) => worker.status().leases.some(({ state }) => state === 'running'))
    await expect.poll(runs, { timeout: 10_000 }).toBe(true)
    const waiting = requester.wait(id)
    await requester.cancel(id, WHY)
    expect(await waiting).toMatchObject({ state: 'cancelled', cancelled: WHY, accused: [] })
    await expect.poll(held, { timeout: 10_000 }).toEqual([0, 0, 0])
    await Promise.all(workers.map(({ worker, consent }) => worker.quiet([consent])))
    expect(requester.list()).toMatchObject([{ id, state: 'cancelled', cancelled: WHY, undecided: 6 }])
    await requester.cancel(id, 'again')
    expect(requester.report(id).cancelled).toBe(WHY)
    // Nobody is worse off for it: the same nodes compute the next one.
    expect(requester.report(id).volunteers).toMatchObject({ ready: 3, engines: { v8: 3 } })
  })

  it('CMP-2 remembers it over a restart, and tells a worker then that did not hear of it', async () => {
    const journal = join(directory, 'journal.db')
    const first = await cluster.requester(journal, { silence: 30_000 })
    const volunteer = await cluster.volunteer(silent)
    const id = await first.submit(campaignOf(1, { f: 0 }))
    const states = () => volunteer.worker.status().leases.map(({ state }) => state)
    await expect.poll(states, { timeout: 10_000 }).toEqual(['running'])
    cluster.network.partition([volunteer.id])
    await first.cancel(id, WHY)
    await first.stop()
    await first.mesh.stop()
    expect(states()).toEqual(['running'])
    cluster.network.heal()
    const second = await cluster.requester(journal)
    expect(second.report(id)).toMatchObject({ state: 'cancelled', cancelled: WHY })
    expect((await second.wait(id)).state).toBe('cancelled')
    await expect.poll(states, { timeout: 10_000 }).toEqual([])
  })

  it('CMP-4 refuses to cancel what is over', async () => {
    const requester = await cluster.requester()
    await cluster.volunteer(honest)
    const id = await requester.submit(campaignOf(1, { f: 0 }))
    await requester.wait(id)
    await expect(requester.cancel(id, WHY)).rejects.toMatchObject({ code: 'compute/over' })
    expect(requester.report(id).state).toBe('finished')
    await expect(requester.cancel('00000000' as never, WHY)).rejects.toMatchObject({
      code: 'compute/unknown-campaign',
    })
  })
})
