import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LruCache } from '../src/worker/lru-cache.ts'

describe('the cache of modules', () => {
  it('NET-5 never keeps more bytes than it may, and drops what was used least lately', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.nat({ max: 9 }), late: fc.boolean() }), { maxLength: 40 }),
        async (uses) => {
          const cache = new LruCache<number, number>({ capacity: 5, maxWeight: 20 }, (weight) => weight)
          for (const { key, late } of uses) {
            const value = cache.get(key, () => Promise.resolve(key))
            if (!late) expect(await value).toBe(key)
            expect(cache.weight).toBeLessThanOrEqual(20)
          }
          await Promise.resolve()
          expect(cache.weight).toBeLessThanOrEqual(20)
        },
      ),
      { numRuns: 200 },
    )
    const cache = new LruCache<string, number>({ capacity: 5, maxWeight: 10 }, (weight) => weight)
    let made = 0
    const get = (key: string, weight: number): Promise<number> =>
      cache.get(key, async () => {
        made++
        return weight
      })
    await get('a', 4)
    await get('b', 4)
    await get('a', 4)
    expect(made).toBe(2)
    await get('c', 4)
    await get('a', 4)
    expect(made).toBe(3)
    await get('b', 4)
    expect(made).toBe(4)
  })

  it('NET-5 keeps neither a failure nor what is larger than all it may keep', async () => {
    const cache = new LruCache<string, number>({ capacity: 5, maxWeight: 10 }, (weight) => weight)
    await expect(cache.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await cache.get('a', async () => 11)).toBe(11)
    expect(cache.weight).toBe(0)
    expect(await cache.get('a', async () => 3)).toBe(3)
  })
})
