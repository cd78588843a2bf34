import { createMemoryBlockStore } from '@askee/core/testing'
import { openDatabase } from '@askee/store'
import { describe, expect, it } from 'vitest'
import { CONSENT_MIGRATIONS, createConsentHoldings } from '../src/index.ts'

const open = () => openDatabase(':memory:', CONSENT_MIGRATIONS)
const block = (n: number): Uint8Array => new Uint8Array(100).fill(n)

describe('what is kept under a consent', () => {
  it('CON-5 goes with it, but for what another consent or the owner needs', async () => {
    const blocks = createMemoryBlockStore()
    const holdings = createConsentHoldings(open())
    const [own, shared, pinned] = [
      await blocks.put(block(1)),
      await blocks.put(block(2)),
      await blocks.put(block(3)),
    ]
    for (const digest of [own, shared, pinned]) holdings.note('a', digest)
    holdings.note('b', shared)
    const unpin = blocks.pin(pinned)
    const forgotten: string[] = []
    const forget = async (digest: string): Promise<void> => void forgotten.push(digest)
    expect(await holdings.erase(['a'], blocks, forget)).toEqual({
      erased: [own],
      shared: expect.arrayContaining([shared, pinned]),
    })
    expect(forgotten.sort()).toEqual([own, pinned].sort())
    expect([await blocks.has(own), await blocks.has(shared), await blocks.has(pinned)]).toEqual([
      false,
      true,
      true,
    ])
    expect(holdings.tokens()).toEqual(['b'])
    // Both tokens of one line go together.
    holdings.note('c', shared)
    expect(await holdings.erase(['b', 'c'], blocks)).toMatchObject({ shared: [] })
    expect(await blocks.has(shared)).toBe(false)
    unpin()
  })

  it('CON-5 is erased by the next start when a crash came between the end and the erasure', async () => {
    const database = open()
    const blocks = createMemoryBlockStore()
    createConsentHoldings(database).note('a', await blocks.put(block(1)))
    const again = createConsentHoldings(database)
    expect(again.tokens()).toEqual(['a'])
    await again.erase(again.tokens(), blocks)
    expect(blocks.size()).toBe(0)
    // Noted again, it is written again.
    const digest = await blocks.put(block(1))
    again.note('a', digest)
    expect(again.tokens()).toEqual(['a'])
  })

  it('CON-5 leaves the note when the erasure fails, so that it is tried again', async () => {
    const blocks = createMemoryBlockStore()
    const holdings = createConsentHoldings(open())
    holdings.note('a', await blocks.put(block(1)))
    const failing = { ...blocks, remove: async () => Promise.reject(new Error('the disk')) }
    await expect(holdings.erase(['a'], failing)).rejects.toThrow('the disk')
    expect(holdings.tokens()).toEqual(['a'])
  })
})
