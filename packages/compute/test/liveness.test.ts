import type { LeaseId, NodeId } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { check, heard, initialLiveness, unwatch, watch } from '../src/coordinator/liveness.ts'
import { Lane } from '../src/requester/lane.ts'
import { wilsonLowerBound } from '../src/requester/reputation.ts'

const A = 'a' as NodeId
const B = 'b' as NodeId
const ONE = '1' as LeaseId
const TWO = '2' as LeaseId

describe('liveness', () => {
  it('CMP-4 loses a lease after silence, once, and not one that is heard of', () => {
    const state = initialLiveness(100)
    watch(state, ONE, A, 0, 1000)
    watch(state, TWO, A, 0, 1000)
    heard(state, A, [ONE], 90)
    expect(check(state, 99)).toEqual([])
    expect(check(state, 100)).toEqual([{ lease: TWO, node: A, reason: 'silent' }])
    expect(check(state, 150)).toEqual([])
    expect(check(state, 190)).toEqual([{ lease: ONE, node: A, reason: 'silent' }])
    expect(check(state, 5000)).toEqual([])
  })

  it('CMP-4 loses a lease at its expiry however often it is heard of', () => {
    const state = initialLiveness(100)
    watch(state, ONE, A, 0, 250)
    for (let now = 50; now < 250; now += 50) {
      heard(state, A, [ONE], now)
      expect(check(state, now)).toEqual([])
    }
    heard(state, A, [ONE], 250)
    expect(check(state, 250)).toEqual([{ lease: ONE, node: A, reason: 'expired' }])
  })

  it('CMP-4 does not call a node silent about a lease that it may never have got', () => {
    const state = initialLiveness(100)
    watch(state, ONE, A, 0, 1000, 'unknown')
    watch(state, TWO, A, 0, 1000, 'unknown')
    heard(state, A, [TWO], 50)
    expect(check(state, 200)).toEqual([
      { lease: ONE, node: A, reason: 'undelivered' },
      { lease: TWO, node: A, reason: 'silent' },
    ])
  })

  it('CMP-4 takes no word of a node about the lease of another, and none for what has ended', () => {
    const state = initialLiveness(100)
    watch(state, ONE, A, 0, 1000)
    heard(state, B, [ONE], 90)
    expect(check(state, 100)).toHaveLength(1)
    watch(state, TWO, A, 0, 1000)
    unwatch(state, TWO)
    expect(check(state, 2000)).toEqual([])
  })
})

describe('batches', () => {
  it('NET-5 go one after the other, whole and in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 3 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        async (gaps, size) => {
          const got: number[] = []
          let running = 0
          const lane = new Lane<number>(
            (queue) => Math.min(size, queue.length),
            async (batch) => {
              expect(++running).toBe(1)
              expect(batch.length).toBeLessThanOrEqual(size)
              await Promise.resolve()
              got.push(...batch)
              running--
            },
          )
          for (const [i, gap] of gaps.entries()) {
            lane.push(i)
            for (let k = 0; k < gap; k++) await Promise.resolve()
          }
          await new Promise((resolve) => setImmediate(resolve))
          expect(got).toEqual(gaps.map((_, i) => i))
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('reputation', () => {
  it('CMP-10 is nothing for a newcomer, grows with evidence and falls with dissent', () => {
    expect(wilsonLowerBound(0, 0)).toBe(0)
    // Worked example of the interval: 10 of 10 at 95 %.
    expect(wilsonLowerBound(10, 10)).toBeCloseTo(0.7225, 3)
    expect(wilsonLowerBound(81, 263)).toBeCloseTo(0.2553, 3)
    expect(wilsonLowerBound(100, 100)).toBeGreaterThan(wilsonLowerBound(10, 10))
    expect(wilsonLowerBound(99, 100)).toBeLessThan(wilsonLowerBound(100, 100))
  })
})
