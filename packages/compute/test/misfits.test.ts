import { describe, expect, it } from 'vitest'
import { DEFAULT_POLICY } from '../src/coordinator/state.ts'
import { volunteersOf } from '../src/coordinator/volunteers.ts'
import { CoordinatorDriver, type Lease } from './support/coordinator-driver.ts'

function refuse(driver: CoordinatorDriver, { lease, node }: Lease): void {
  driver.feed({ type: 'refused', node, refusals: [{ lease, code: 'consent/storage-never' }] })
}

const standing = ({ state, now }: CoordinatorDriver) => volunteersOf(state, now)

describe('a node whose consent could never hold a task', () => {
  it('CON-2 is not asked for it again under that consent, is counted as that, and harms no other', () => {
    const driver = new CoordinatorDriver({ f: 0 })
    driver.join('a', 'v8')
    driver.now += 3000
    refuse(driver, driver.assign()[0] as Lease)
    for (let i = 0; i < 90; i++) {
      driver.now += 100
      driver.join('a', 'v8')
      expect(driver.assign()).toEqual([])
    }
    expect(standing(driver)).toMatchObject({ ready: 0, engines: {}, gone: 0, cramped: 1 })
    expect(driver.task()).toMatchObject({ losses: 0, pausedUntil: 0 })
    driver.restart()
    expect(standing(driver)).toMatchObject({ ready: 0, cramped: 1 })
    // Under another consent it is another matter.
    driver.join('a', 'v8', 'wider')
    expect(standing(driver)).toMatchObject({ ready: 1, cramped: 0 })
    expect(driver.assign()).toHaveLength(1)
  })

  it('CMP-3 is named when nobody else comes and the campaign is given up', () => {
    const driver = new CoordinatorDriver({ f: 0 })
    driver.join('a', 'v8')
    driver.now += 3000
    refuse(driver, driver.assign()[0] as Lease)
    driver.sweep(1000)
    driver.sweep(DEFAULT_POLICY.poolGrace)
    expect(driver.task().outcome).toMatchObject({
      kind: 'undecidable',
      reason: expect.stringMatching(/1 is under a consent that allows too little disk for it$/),
    })
  })

  it('CON-2 is given other tasks ever later, until it does one', () => {
    const driver = new CoordinatorDriver({ f: 0, count: 100 })
    driver.join('a', 'v8')
    driver.now += 3000
    let refused = 0
    for (let i = 0; i < 120; i++) {
      driver.now += 500
      for (const lease of driver.assign()) {
        refuse(driver, lease)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(2)
    expect(refused).toBeLessThan(12)
    driver.now += DEFAULT_POLICY.backoffCap
    driver.commit(driver.assign()[0] as Lease, 'x')
    expect(standing(driver)).toMatchObject({ ready: 1, cramped: 0 })
  })
})
