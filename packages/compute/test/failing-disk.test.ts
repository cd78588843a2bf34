import { createConsentHoldings } from '@askee/consent'
import { grantForTest, TEST_TERMS, testRegistry } from '@askee/consent/testing'
import { type BlockStore, digestOf, type LeaseId, type Logger, silentLogger } from '@askee/core'
import { createMemoryBlockStore, createMemoryMeshNetwork, decorate, seededRandom } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { expect, it } from 'vitest'
import { ConsentStorage } from '../src/worker/consent-storage.ts'
import { GatedWork, type Permit } from '../src/worker/gated-work.ts'
import { createFunctionExecutor, EMPTY_MODULE, honest } from './support/function-executor.ts'

const BYTES = new Uint8Array(1000).fill(7)
const DIGEST = digestOf(BYTES)
const LEASE = 'l' as LeaseId

/** The disk of a consent of 2,500 bytes, on which things can be made to fail. */
function setUp() {
  const random = seededRandom(8)
  const identity = createIdentity(random)
  const requester = createIdentity(random).id
  const { registry: consents, database } = testRegistry(identity.id, { random })
  const { permissions } = TEST_TERMS
  const { id: token } = grantForTest(consents, requester, {
    permissions: { ...permissions, resources: { ...permissions.resources, storageGbMax: 2.5e-6 } },
  })
  const failing = { drops: false, sizes: false }
  const fail = (): never => {
    throw new Error('the disk is full')
  }
  const notes = createConsentHoldings(database)
  const holdings = decorate(notes, {
    drop: (...about: Parameters<typeof notes.drop>) => (failing.drops ? fail() : notes.drop(...about)),
  })
  const store = createMemoryBlockStore()
  const blocks: BlockStore = decorate(store, {
    sizeOf: async (digest) => (failing.sizes ? fail() : store.sizeOf(digest)),
  })
  const executor = Object.assign(createFunctionExecutor(honest), {
    mostKeptBytes: () => 100,
    keptBytes: async () => (failing.sizes ? fail() : 0),
  })
  const storage = new ConsentStorage({ consents, holdings, blocks, executor })
  const warnings: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (details) => void warnings.push(details) }
  const mesh = createMemoryMeshNetwork().node(identity.id, { topics: new Map() })
  const shared = { mesh, blocks, executor, consents, holdings, storage, logger }
  const gated = new GatedWork({ ...shared, requesterReputation: () => 0, slots: 1, processors: 1 })
  const [kind] = permissions.tasks.kinds
  const manifest = {
    requester,
    kind,
    purpose: TEST_TERMS.purposes[0],
    resources: { memoryBytes: 65_536, wallTime: 1000 },
  }
  const permit = { consent: token, campaign: DIGEST, manifest } as unknown as Permit
  return { token, failing, storage, store, gated, permit, warnings, notes }
}

it('CON-2 counts right when a note cannot be taken back for want of disk, and takes it back at the next start', async () => {
  const { token, failing, storage, notes } = setUp()
  const hold = await storage.block(token, DIGEST, BYTES.byteLength)
  failing.drops = true
  // Nothing was written of it.
  await hold.settle()
  expect(await storage.use(token)).toMatchObject({ used: 0 })
  expect(storage.room(token)).toBe(2500)
  expect(notes.of([token])).toEqual([DIGEST])
  await storage.start()
  failing.drops = false
  await storage.start()
  expect(notes.of([token])).toEqual([])
})

it('CON-2 keeps counting what it could not look at, and gives its room to others', async () => {
  const { token, failing, storage, store } = setUp()
  const hold = await storage.block(token, DIGEST, BYTES.byteLength)
  await store.put(BYTES)
  failing.sizes = true
  await expect(hold.settle()).rejects.toThrow('the disk is full')
  failing.sizes = false
  expect(await storage.use(token)).toMatchObject({ used: 1000 })
  expect(storage.room(token)).toBe(2500)
  await storage.block(token, digestOf(Uint8Array.of(1)), 2000)
  expect(await store.has(DIGEST)).toBe(false)
})

it('CON-2 ends no agent when the disk fails while a task or its result is let go of', async () => {
  const { failing, gated, permit, warnings } = setUp()
  const limits = { fuel: 1n as never, memoryBytes: 65_536, outputBytes: 10, wallTime: 1000 as never }
  const request = { module: EMPTY_MODULE, input: Uint8Array.of(1), limits }
  const release = await gated.keep(permit, LEASE, BYTES)
  failing.sizes = true
  const execution = await gated.run(permit, digestOf(EMPTY_MODULE), request)
  await execution.outcome
  await expect.poll(() => warnings).toHaveLength(1)
  release()
  await expect.poll(() => warnings).toHaveLength(2)
})
