import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LruCache } from '../src/worker/lru-cache.ts'

/** Nobody gives up. */
const never = new AbortController().signal

describe('the cache of modules', () => {
  it('NET-5 never keeps more bytes than it may, and drops what was used least lately', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.nat({ max: 9 }), late: fc.boolean() }), { maxLength: 40 }),
        async (uses) => {
          const cache = new LruCache<number, number>({ capacity: 5, maxWeight: 20 }, (weight) => weight)
          for (const { key, late } of uses) {
            const value = cache.get(key, never, () => Promise.resolve(key))
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
      cache.get(key, never, async () => {
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
    await expect(cache.get('a', never, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await cache.get('a', never, async () => 11)).toBe(11)
    expect(cache.weight).toBe(0)
    expect(await cache.get('a', never, async () => 3)).toBe(3)
  })

  it('NET-5 makes a value as long as anybody wants it, and gives none that is being ended', async () => {
    const cache = new LruCache<string, number>({ capacity: 5, maxWeight: 10 }, (weight) => weight)
    const ended: unknown[] = []
    const make = (signal: AbortSignal): Promise<number> => {
      const { promise, reject } = Promise.withResolvers<number>()
      signal.addEventListener('abort', () => {
        ended.push(signal.reason)
        // It takes a while.
        setImmediate(() => reject(signal.reason))
      })
      return promise
    }
    const [first, last] = [new AbortController(), new AbortController()]
    const values = [cache.get('a', first.signal, make), cache.get('a', last.signal, make)]
    first.abort('first')
    await expect(values[0]).rejects.toBe('first')
    expect(ended).toEqual([])
    last.abort('last')
    expect(ended).toEqual(['last'])
    const anew = cache.get('a', never, async () => 3)
    await expect(values[1]).rejects.toBe('last')
    expect(await anew).toBe(3)
    expect(await cache.get('a', never, make)).toBe(3)
    await expect(cache.get('a', first.signal, make)).rejects.toBe('first')
    expect(cache.weight).toBe(3)
  })
})
