import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONSENT_MIGRATIONS, createConsentHoldings } from '@askee/consent'
import { grantForTest, testRegistry } from '@askee/consent/testing'
import { type Digest, silentLogger, systemRandom } from '@askee/core'
import { createMemoryBlockStore, VirtualTime } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { openDatabase } from '@askee/store'
import { afterEach, describe, expect, it } from 'vitest'
import { createConsentUpkeep } from '../src/revoke.ts'

const cleanup: (() => unknown)[] = []
afterEach(() => {
  for (const clean of cleanup.splice(0).reverse()) clean()
})

const node = createIdentity(systemRandom)
const requester = createIdentity(systemRandom)

/** A consent that was revoked, and a crash before what it left here was erased. */
async function crashed() {
  const folder = mkdtempSync(join(tmpdir(), 'askee-erasure-'))
  const time = new VirtualTime()
  const database = openDatabase(join(folder, 'consents.db'), CONSENT_MIGRATIONS)
  cleanup.push(
    () => rmSync(folder, { recursive: true, force: true }),
    () => database.close(),
  )
  const { registry } = testRegistry(node.id, { clock: time, database })
  const holdings = createConsentHoldings(database)
  const blocks = createMemoryBlockStore()
  const { id } = grantForTest(registry, requester.id)
  for (let i = 1; i <= 3; i++) holdings.note(id, await blocks.put(new Uint8Array(100).fill(i)))
  registry.revoke(id, 'enough')
  let isBroken = true
  const remove = (digest: Digest) =>
    isBroken ? Promise.reject(new Error('the disk')) : blocks.remove(digest)
  const upkeep = createConsentUpkeep({
    consents: registry,
    holdings,
    blocks: { ...blocks, remove },
    executor: {},
    worker: {
      status: () => ({ slots: 1, leases: [], completed: 0, failed: 0, refused: 0, credit: new Map() }),
      quiet: async () => {},
    },
    clock: time,
    timers: time,
    logger: silentLogger,
  })
  const acts = () => registry.history.entries(id).map(({ act }) => act)
  const repair = () => {
    isBroken = false
  }
  return { id, time, database, blocks, holdings, upkeep, acts, repair }
}

describe('what an ended consent left at the start', () => {
  it('CON-5 keeps no agent from starting when it cannot be erased, and is erased when it can', async () => {
    const { id, time, blocks, holdings, upkeep, acts, repair } = await crashed()
    await upkeep.start()
    await time.advance(3_000)
    expect(blocks.size()).toBe(300)
    expect(acts()).not.toContain('erased')
    repair()
    await time.advance(1_000)
    await expect.poll(() => blocks.size()).toBe(0)
    await expect.poll(acts).toContain('erased')
    expect(holdings.tokens()).not.toContain(id)
    await upkeep.stop()
  })

  it('CON-5 is erased at a start on a full disk, and written down when that takes it', async () => {
    const { time, database, blocks, upkeep, acts, repair } = await crashed()
    repair()
    database.pragma('query_only = 1')
    await upkeep.start()
    expect(blocks.size()).toBe(0)
    expect(acts()).not.toContain('erased')
    database.pragma('query_only = 0')
    await time.advance(1_000)
    await expect.poll(acts).toContain('erased')
    await upkeep.stop()
  })
})
