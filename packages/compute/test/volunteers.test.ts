import type { NodeId } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { DEFAULT_POLICY } from '../src/coordinator/state.ts'
import { tellVolunteers, volunteersOf } from '../src/coordinator/volunteers.ts'
import { CoordinatorDriver } from './support/coordinator-driver.ts'

const GRACE = DEFAULT_POLICY.poolGrace

/** Waits until a campaign without help is given up, and says why its first task was. */
function causeOf(driver: CoordinatorDriver): string {
  driver.sweep(3000)
  driver.assign()
  driver.sweep(1000)
  driver.sweep(GRACE)
  const { outcome } = driver.task()
  return outcome?.kind === 'undecidable' ? outcome.reason : 'not given up'
}

describe('why a campaign is given up', () => {
  it('CMP-3 names the engine that is missing, with one volunteer, and how many were there', () => {
    for (const f of [0, 1]) {
      const driver = new CoordinatorDriver({ f, engines: 'diverse' })
      driver.join('a', 'v8')
      expect(causeOf(driver)).toMatch(/^needs an engine other than v8, .*; 1 volunteer is here \(v8 1\)$/)
    }
  })

  it('CMP-3 names the engine that is missing also when the only volunteer went away meanwhile', () => {
    const driver = new CoordinatorDriver({ engines: 'diverse' })
    driver.join('a', 'wasmtime')
    driver.feed({ type: 'departed', node: 'a' as NodeId, reason: 'disconnected' })
    expect(causeOf(driver)).toMatch(
      /^needs an engine other than wasmtime, .*; 0 volunteers are here, 1 is gone$/,
    )
  })

  it('CMP-3 does not speak of engines where both are there, nor where any will do', () => {
    const both = new CoordinatorDriver({ engines: 'diverse' })
    both.join('a', 'wasmtime')
    both.join('b', 'v8')
    for (const node of ['a', 'b'] as NodeId[]) both.feed({ type: 'departed', node, reason: 'disconnected' })
    expect(causeOf(both)).toMatch(/^no eligible node is left: .*; 0 volunteers are here, 2 are gone$/)
    const any = new CoordinatorDriver()
    any.join('a', 'v8')
    any.feed({ type: 'departed', node: 'a' as NodeId, reason: 'disconnected' })
    expect(causeOf(any)).toMatch(/^no eligible node is left: /)
  })

  it('CMP-3 tells a consent that ends too soon from a volunteer that is away', () => {
    const driver = new CoordinatorDriver({ wallTime: 20_000_000 })
    driver.join('a', 'v8')
    expect(causeOf(driver)).toMatch(/1 is under a consent that ends before a task could$/)
    expect(volunteersOf(driver.state, driver.now)).toMatchObject({
      ready: 0,
      engines: {},
      ending: 1,
      gone: 0,
    })
  })

  it('CMP-3 counts each volunteer once', () => {
    const driver = new CoordinatorDriver()
    for (const name of ['a', 'b', 'c', 'd']) driver.join(name, name < 'c' ? 'v8' : 'wasmtime')
    driver.feed({ type: 'departed', node: 'd' as NodeId, reason: 'disconnected' })
    driver.state.nodes['a' as NodeId]!.accused = true
    const volunteers = volunteersOf(driver.state, driver.now)
    expect(volunteers).toEqual({
      ready: 2,
      engines: { v8: 1, wasmtime: 1 },
      gone: 1,
      accused: 1,
      ending: 0,
      cramped: 0,
      disreputable: 0,
    })
    expect(tellVolunteers(volunteers)).toBe(
      '2 volunteers are here (v8 1, wasmtime 1), 1 is gone, 1 is proven wrong',
    )
  })

  const losing = (driver: CoordinatorDriver, reason: string): void => {
    const losses = driver.assign().map(({ lease, node }) => ({ lease, node, reason }))
    driver.feed({ type: 'lost', losses })
  }

  it('CON-5 CMP-3 waits for a volunteer whose owner suspended the consent, and goes on when it offers again', () => {
    for (const count of [1, 3]) {
      const driver = new CoordinatorDriver({ f: 0, count })
      driver.join('a')
      driver.sweep(3000)
      losing(driver, 'consent/suspended')
      for (let i = 0; i < 4; i++) driver.sweep(GRACE)
      driver.restart()
      driver.sweep(GRACE)
      expect(driver.state.tasks.map(({ outcome }) => outcome)).toEqual(Array(count).fill(null))
      expect(volunteersOf(driver.state, driver.now)).toMatchObject({ ready: 0, gone: 1 })
      driver.join('a')
      driver.sweep(3000)
      for (let i = 0; i < count; i++) driver.vote(driver.assign(), () => 'same')
      expect(driver.state.tasks.map(({ outcome }) => outcome?.kind)).toEqual(Array(count).fill('accepted'))
    }
  })

  it('CON-5 CMP-3 waits no longer than the deadline for a suspended volunteer, nor when the consent is over', () => {
    const waiting = new CoordinatorDriver({ f: 0 })
    waiting.join('a')
    waiting.sweep(3000)
    losing(waiting, 'consent/suspended')
    waiting.sweep(3_600_000)
    expect(waiting.task().outcome).toMatchObject({ kind: 'undecidable', reason: 'the deadline passed' })
    for (const end of ['consent/revoked', 'consent/expired']) {
      const driver = new CoordinatorDriver({ f: 0 })
      driver.join('a')
      driver.sweep(3000)
      losing(driver, end)
      expect(causeOf(driver)).toMatch(/0 volunteers are here, 1 is gone$/)
    }
    const revoked = new CoordinatorDriver({ f: 0 })
    revoked.join('a')
    revoked.sweep(3000)
    losing(revoked, 'consent/suspended')
    revoked.feed({ type: 'departed', node: 'a' as NodeId, reason: 'consent/revoked' })
    expect(causeOf(revoked)).toMatch(/0 volunteers are here, 1 is gone$/)
  })
})
