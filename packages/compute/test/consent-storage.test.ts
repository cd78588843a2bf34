import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConsentHoldings } from '@askee/consent'
import { grantForTest, TEST_TERMS, testRegistry } from '@askee/consent/testing'
import { type BlockStore, type Digest, digestOf, type LeaseId, systemClock } from '@askee/core'
import { createMemoryBlockStore, decorate, seededRandom } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { createBlockStore } from '@askee/store'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { ConsentStorage, type Hold } from '../src/worker/consent-storage.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-storage-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const random = seededRandom(5)
const requester = createIdentity(random).id
const KB = 1e-6

/** Compiled code of modules, as an executor keeps it. */
function compiledCode(most: number) {
  const kept = new Map<Digest, number>()
  return {
    kept,
    keptBytes: async (module: Digest) => kept.get(module) ?? 0,
    mostKeptBytes: () => most,
    forget: async (module: Digest) => void kept.delete(module),
  }
}

function setUp(blocks: BlockStore = createMemoryBlockStore(), most = 0) {
  const { registry, database } = testRegistry(createIdentity(random).id, { random })
  const holdings = createConsentHoldings(database)
  const executor = compiledCode(most)
  const parts = { consents: registry, holdings, blocks, executor }
  const grant = (storageGbMax: number) => {
    const { permissions } = TEST_TERMS
    const resources = { ...permissions.resources, storageGbMax }
    return grantForTest(registry, requester, { permissions: { ...permissions, resources } })
  }
  const storage = new ConsentStorage(parts)
  /** Room first, then the bytes, as gated work does it. */
  const keep = async (token: string, bytes: Uint8Array, lease?: LeaseId): Promise<Hold> => {
    const hold = await storage.block(token, digestOf(bytes), bytes.byteLength, lease)
    await blocks.put(bytes)
    return hold
  }
  const used = async (token: string) => (await storage.use(token))?.used
  return { registry, holdings, executor, blocks, parts, grant, storage, keep, used }
}

const block = (fill: number, bytes = 1000): Uint8Array => new Uint8Array(bytes).fill(fill)

describe('the disk of a consent', () => {
  it('CON-2 is never more than it allows: what does not fit is refused before it is written, with the numbers', async () => {
    const { grant, storage, keep, blocks, used } = setUp()
    const { id, tokens } = grant(2.5 * KB)
    const [token] = tokens as [string]
    await keep(token, block(1))
    await keep(token, block(2))
    await expect(keep(token, block(3))).rejects.toMatchObject({
      code: 'consent/storage',
      message: expect.stringMatching(
        new RegExp(`1000 more bytes.*consent ${id}: of 2500 .* 2000 are needed`),
      ),
      details: { used: 2000, allowed: 2500, more: 1000 },
    })
    expect(blocks.size()).toBe(2000)
    expect(await storage.use(token)).toEqual({ used: 2000, allowed: 2500 })
    // What is there already takes no more room.
    await keep(token, block(2))
    expect(await used(token)).toBe(2000)
  })

  it('CON-2 makes room with what no task needs any more, the longest unused first, and with nothing else', async () => {
    const { grant, keep, blocks, holdings, used } = setUp()
    const [token] = grant(3 * KB).tokens as [string]
    const running = await keep(token, block(1))
    for (const fill of [2, 3]) await (await keep(token, block(fill))).settle()
    await (await keep(token, block(2))).settle()
    await keep(token, block(4))
    const has = await Promise.all([1, 2, 3, 4].map((fill) => blocks.has(digestOf(block(fill)))))
    expect(has).toEqual([true, true, false, true])
    expect(holdings.of([token])).toHaveLength(3)
    await expect(keep(token, block(5, 2000))).rejects.toMatchObject({ code: 'consent/storage' })
    // A refusal is no reason to throw anything away.
    expect(await blocks.has(digestOf(block(2)))).toBe(true)
    await running.settle()
    await keep(token, block(5, 2000))
    expect(await used(token)).toBe(3000)
    expect(blocks.size()).toBe(3000)
  })

  it('CON-2 counts what two consents need for both, and takes nothing away that the other needs', async () => {
    const { grant, keep, blocks, used } = setUp()
    const [a] = grant(2 * KB).tokens as [string]
    const [b] = grant(2 * KB).tokens as [string]
    await (await keep(a, block(1))).settle()
    await (await keep(b, block(1))).settle()
    expect([await used(a), await used(b), blocks.size()]).toEqual([1000, 1000, 1000])
    await keep(a, block(2, 2000))
    expect(await blocks.has(digestOf(block(1)))).toBe(true)
    expect([await used(a), await used(b)]).toEqual([2000, 1000])
    await keep(b, block(3, 2000))
    expect(await blocks.has(digestOf(block(1)))).toBe(false)
    expect([await used(a), await used(b)]).toEqual([2000, 2000])
  })

  it('CON-2 keeps room for results that were promised one, and gives it back when they do not come', async () => {
    const { grant, keep, storage } = setUp()
    const [token] = grant(3 * KB).tokens as [string]
    const lease = 'l' as LeaseId
    await (await keep(token, block(1))).settle()
    storage.promise(lease, token, 2500)
    storage.promise(lease, token, 2500)
    expect(storage.room(token)).toBe(500)
    await expect(keep(token, block(2))).rejects.toMatchObject({ code: 'consent/storage' })
    await keep(token, block(3, 2400), lease)
    expect(storage.room(token)).toBe(600)
    storage.promise('other' as LeaseId, token, 600)
    storage.withdraw('other' as LeaseId)
    storage.withdraw('other' as LeaseId)
    expect(storage.room(token)).toBe(600)
  })

  it('CON-2 counts after a restart by the sizes of files alone, and takes away what is above a narrowed limit', async () => {
    const init = {
      directory: join(folder, 'blocks'),
      maxBytes: 1e9,
      sealing: { key: random.bytes(32), random },
    }
    const { registry, grant, keep, parts, used } = setUp(await createBlockStore({ clock: systemClock }, init))
    const { id, tokens } = grant(1)
    const [token] = tokens as [string]
    for (let fill = 0; fill < 4; fill++) await keep(token, block(fill, 300_000))
    const before = await used(token)
    // On disk: sealed, in whole pages.
    expect(before).toBe(4 * 74 * 4096)
    const unread = (): never => {
      throw new Error('a block was read')
    }
    const again = decorate(await createBlockStore({ clock: systemClock }, init), {
      get: unread,
      readRange: unread,
    })
    const restarted = new ConsentStorage({ ...parts, blocks: again })
    await restarted.start()
    expect(await restarted.use(token)).toEqual({ used: before, allowed: 1e9 })
    registry.renew(id, { storageGbMax: 0.0007 })
    await restarted.trim()
    expect(await restarted.use(token)).toEqual({ used: 2 * 74 * 4096, allowed: 700_000 })
    expect(again.size()).toBe(600_000)
    // Once more, with the limit narrowed while nobody looked.
    const [renewed] = registry.renew(id, { storageGbMax: 0.0004 }).tokens as [string]
    const third = new ConsentStorage({ ...parts, blocks: again })
    await third.start()
    expect(await third.use(renewed)).toEqual({ used: 74 * 4096, allowed: 400_000 })
    expect(again.size()).toBe(300_000)
  })

  it('CON-2 counts compiled code, keeps none that there is no room for, and drops it when room is needed', async () => {
    const { grant, keep, storage, executor, used } = setUp(createMemoryBlockStore(), 2000)
    const [token] = grant(3 * KB).tokens as [string]
    const [one, two] = [digestOf(block(7)), digestOf(block(8))]
    const first = await storage.compiled(token, one)
    expect(first).toBeDefined()
    // The same at once writes a file of its own.
    expect(await storage.compiled(token, one)).toBeUndefined()
    expect(await used(token)).toBe(2000)
    executor.kept.set(one, 800)
    await first?.settle()
    expect(await used(token)).toBe(800)
    const again = await storage.compiled(token, one)
    expect(await used(token)).toBe(800)
    expect(await storage.compiled(token, two)).toBeDefined()
    await expect(keep(token, block(1, 300))).rejects.toMatchObject({ code: 'consent/storage' })
    await again?.settle()
    await keep(token, block(1, 300))
    expect(executor.kept.size).toBe(0)
  })

  it('CON-2 holds whatever is kept, let go of, promised and compiled at once, in any order', async () => {
    const act = fc.record({
      consent: fc.constantFrom(0, 1),
      kind: fc.constantFrom('block', 'code', 'promise', 'settle'),
      which: fc.nat(6),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 60 }), async (acts) => {
        const sizes = new Map<Digest, number>()
        const store = createMemoryBlockStore()
        let isWithin = (): void => {}
        const watched = decorate(store, {
          put: async (bytes) => {
            const digest = await store.put(bytes)
            sizes.set(digest, bytes.byteLength)
            isWithin()
            return digest
          },
          remove: async (digest) => {
            sizes.delete(digest)
            return store.remove(digest)
          },
        })
        const { grant, storage, keep, executor, holdings, parts } = setUp(watched, 900)
        const consents = [2, 3].map((limit) => grant(limit * KB).tokens as [string])
        const open: Hold[] = []
        isWithin = () => {
          for (const [i, tokens] of consents.entries()) {
            const all = holdings.of(tokens)
            const code = all.reduce((sum, digest) => sum + (executor.kept.get(digest) ?? 0), 0)
            const kept = all.reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0)
            expect(code + kept).toBeLessThanOrEqual((i + 2) * 1000)
          }
        }
        await Promise.all(
          acts.map(async ({ consent, kind, which }, i) => {
            const [token] = consents[consent] as [string]
            if (kind === 'promise') storage.promise(`${i}` as LeaseId, token, which * 100)
            else if (kind === 'settle') await open[which]?.settle()
            else if (kind === 'block') {
              const hold = await keep(token, block(which, which * 150)).catch(() => undefined)
              if (hold !== undefined) open.push(hold)
            } else {
              const module = digestOf(block(100 + which))
              const hold = await storage.compiled(token, module)
              if (hold === undefined) return
              executor.kept.set(module, 100 * which)
              isWithin()
              open.push(hold)
            }
          }),
        )
        await Promise.all(open.map((hold) => hold.settle()))
        isWithin()
        const counted = new ConsentStorage(parts)
        await counted.start()
        for (const [token] of consents) expect(await counted.use(token)).toEqual(await storage.use(token))
      }),
      { numRuns: 25 },
    )
  })
})
