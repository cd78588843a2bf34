import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONSENT_MIGRATIONS, createConsentHoldings } from '@askee/consent'
import { grantForTest, testRegistry } from '@askee/consent/testing'
import { type Digest, errorCode, silentLogger, systemRandom } from '@askee/core'
import { createMemoryBlockStore, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { type Database, openDatabase } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'
import { createConsentUpkeep } from '../src/revoke.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-revoke-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const node = createIdentity(systemRandom)
const requester = createIdentity(systemRandom)
const SECOND = 1000

let files = 0
async function setUp() {
  const time = new VirtualTime()
  const database = openDatabase(join(folder, `${files++}.db`), CONSENT_MIGRATIONS)
  const { registry, volunteer } = testRegistry(node.id, { clock: time, database })
  const holdings = createConsentHoldings(database)
  const blocks = createMemoryBlockStore()
  const forgotten: Digest[] = []
  const order: string[] = []
  const upkeep = createConsentUpkeep({
    consents: registry,
    holdings,
    blocks,
    executor: { forget: async (digest) => void forgotten.push(digest) },
    worker: {
      status: () => ({
        slots: 1,
        leases: [],
        completed: 0,
        failed: 0,
        refused: 0,
        credit: new Map(),
      }),
      quiet: async () => void order.push(`quiet, ${blocks.size()} bytes held`),
    },
    clock: time,
    timers: time,
    logger: silentLogger,
  })
  await upkeep.start()
  const consent = grantForTest(registry, requester.id)
  for (let i = 1; i <= 3; i++) {
    holdings.note(consent.id, await blocks.put(new Uint8Array(100).fill(i)))
  }
  return { time, database, registry, volunteer, holdings, blocks, forgotten, order, upkeep, consent }
}

/** A disk that takes nothing any more: every write fails as on a full one. */
function fill(database: Database): () => void {
  database.pragma('query_only = 1')
  return () => database.pragma('query_only = 0')
}

describe('a revocation on this machine', () => {
  it('CON-5 erases what is kept, compiled code too, after the work is dead, and writes it down', async () => {
    const { registry, holdings, blocks, forgotten, order, upkeep, consent } = await setUp()
    await expect(upkeep.revoke(consent.id, 'enough')).resolves.toMatchObject({
      erasedBlocks: 3,
      killMs: null,
    })
    expect(order).toEqual(['quiet, 300 bytes held'])
    expect([blocks.size(), forgotten.length, holdings.tokens()]).toEqual([0, 3, []])
    const acts = registry.history.entries(consent.id).slice(-2)
    expect(acts).toMatchObject([{ act: 'revoked' }, { act: 'erased', content: { blocks: 3, shared: 0 } }])
  })

  it.each([
    ['one', 'consent/not-written'],
    ['all', 'consent/not-written'],
  ])(
    'CON-5 of %s on a full disk erases at once all the same, and writes down what it did when there is room',
    async (which, code) => {
      const { time, database, registry, volunteer, holdings, blocks, forgotten, upkeep, consent } =
        await setUp()
      const told: (string | null)[] = []
      registry.onRevoked(({ requester: whom }) => told.push(whom))
      const empty = fill(database)
      const revoked = upkeep.revoke(which === 'all' ? 'all' : consent.id, 'enough')
      const error = await revoked.catch((reason: unknown) => reason)
      expect(errorCode(error)).toBe(code)
      expect(String(error)).toContain('3 blocks of data erased')
      expect([blocks.size(), forgotten.length]).toEqual([0, 3])
      expect(told).toEqual(which === 'all' ? [requester.id, null] : [requester.id])
      await time.advance(3 * SECOND)
      expect(registry.history.entries(consent.id).map(({ act }) => act)).not.toContain('erased')
      empty()
      await time.advance(2 * SECOND)
      await expect.poll(() => holdings.tokens()).toEqual([])
      await time.advance(2 * SECOND)
      const acts = registry.history.entries(consent.id).slice(-2)
      expect(acts).toMatchObject([{ act: 'revoked' }, { act: 'erased', content: { blocks: 3, shared: 0 } }])
      expect(told).toHaveLength(which === 'all' ? 2 : 1)
      // As another process would find it.
      const again = testRegistry(node.id, { clock: time, volunteer, database }).registry
      expect(again.show(consent.id).phase).toBe('revoked')
      expect(grantForTest(again, requester.id).claims?.epoch).toBe(which === 'all' ? 1 : 0)
      await upkeep.stop()
    },
  )

  it('CON-5 STO-1 erases blocks of which consents that were put back know nothing, once, and no others', async () => {
    const { time, registry, holdings, blocks, consent, upkeep } = await setUp()
    const put = (fill: number) => blocks.put(new Uint8Array(100).fill(fill))
    const own = await put(10)
    blocks.pin(own)
    const lost = await Promise.all([11, 12].map(put))
    await time.advance(3 * SECOND)
    expect(blocks.size()).toBe(600)
    registry.putBack('a copy was put back')
    await time.advance(2 * SECOND)
    await expect.poll(() => blocks.size()).toBe(400)
    expect(await Promise.all(lost.map((digest) => blocks.has(digest)))).toEqual([false, false])
    expect([await blocks.has(own), holdings.digests().length]).toEqual([true, 3])
    const act = registry.history.entries('all').find(({ act }) => act === 'erased')
    expect(act?.content).toMatchObject({ blocks: 2 })
    // What comes later without a note is an own upload.
    await put(13)
    await time.advance(3 * SECOND)
    expect(blocks.size()).toBe(500)
    // What has a note goes with its consent, as ever.
    await upkeep.revoke(consent.id, 'enough')
    expect(blocks.size()).toBe(200)
    await upkeep.stop()
  })

  it('CON-5 erases what a consent left that time ended, on a full disk too', async () => {
    const { time, database, registry, blocks, upkeep, consent } = await setUp()
    const empty = fill(database)
    await time.advance(3_600_000 + 2 * SECOND)
    await expect.poll(() => blocks.size()).toBe(0)
    empty()
    await time.advance(2 * SECOND)
    await expect
      .poll(() => registry.history.entries(consent.id).map(({ act }) => act))
      .toEqual(expect.arrayContaining(['expired', 'erased']))
    await upkeep.stop()
  })

  it('CON-5 keeps no block because another could not be erased', async () => {
    const { registry, blocks, holdings, consent } = await setUp()
    let calls = 0
    const failing = {
      ...blocks,
      remove: (digest: Digest) =>
        calls++ === 0 ? Promise.reject(new Error('the disk')) : blocks.remove(digest),
    }
    registry.revoke(consent.id, 'enough')
    await expect(holdings.erase([consent.id], failing)).rejects.toThrow('the disk')
    expect(blocks.size()).toBe(100)
    expect(await holdings.erase([consent.id], blocks)).toMatchObject({ erased: [expect.any(String)] })
    expect(blocks.size()).toBe(0)
  })
})
