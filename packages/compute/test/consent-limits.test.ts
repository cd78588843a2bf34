import { decode, digestOf, encode, silentLogger, systemClock, systemTimers } from '@askee/core'
import { createMemoryBlockStore, decorate } from '@askee/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signManifest } from '../src/protocol/manifest.ts'
import { assignAnswerSchema } from '../src/protocol/messages.ts'
import { PROTOCOL_LIMITS, PROTOCOLS } from '../src/protocol/names.ts'
import { ConsentBandwidth } from '../src/worker/consent-bandwidth.ts'
import { GatedWork } from '../src/worker/gated-work.ts'
import { Cluster, campaignOf, PERMISSIONS, type Volunteer } from './support/cluster.ts'
import { createFunctionExecutor, honest } from './support/function-executor.ts'
import { largeTasks } from './support/large-tasks.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

/** A volunteer whose consent has these limits, and the most that its store ever held. */
async function volunteerWith(limits: { storageGbMax?: number; bandwidthMbpsMax?: number }) {
  const store = createMemoryBlockStore()
  let most = 0
  const blocks = decorate(store, {
    put: async (bytes) => {
      const digest = await store.put(bytes)
      most = Math.max(most, store.size())
      return digest
    },
  })
  const resources = { ...PERMISSIONS.resources, ...limits }
  const volunteer = await cluster.volunteer(honest, {
    blocks,
    permissions: { ...PERMISSIONS, resources },
    init: { slots: 2 },
  })
  return { volunteer, blocks, most: () => most }
}

/** A campaign of the cluster's requester. */
function manifestOf(outputBytes: number): ReturnType<typeof signManifest> {
  return signManifest(cluster.requesterIdentity, {
    v: 1,
    requester: cluster.requesterIdentity.id,
    purpose: 'tests',
    kind: 'scientific-compute',
    module: digestOf(Uint8Array.of(1)),
    inputs: digestOf(Uint8Array.of(2)),
    count: 5,
    resources: { fuel: 100n as never, memoryBytes: 65_536, outputBytes, wallTime: 1000 },
    f: 1,
    created: Date.now(),
    deadline: Date.now() + 60_000,
    minReputation: 0,
    nonce: cluster.random.bytes(16),
  })
}

/** What the volunteer answers to an assignment that nobody asked it for. */
async function assigned({ id, consent }: Volunteer, from: { mesh: Volunteer['mesh'] }, outputBytes: number) {
  const manifest = manifestOf(outputBytes).bytes
  const input = digestOf(new Uint8Array())
  const leases = [{ lease: 'ab'.repeat(16), task: 0, input, bytes: new Uint8Array(), expiresIn: 1000 }]
  const answer = await from.mesh.request(id, PROTOCOLS.assign, encode({ v: 1, manifest, consent, leases }))
  return decode(answer, assignAnswerSchema, PROTOCOL_LIMITS.assign.maxResponseBytes).refused
}

describe('the limits of a consent', () => {
  it('CON-2 keeps a small disk within its limit while a campaign of more runs on it alone, and ends it right', async () => {
    const requester = await cluster.requester()
    // Of 70,000 bytes each: inputs that were used make room, results that wait do not.
    const { volunteer, blocks, most } = await volunteerWith({ storageGbMax: 0.00023 })
    const report = await requester.wait(await requester.submit({ ...largeTasks(8), f: 0, deadline: 50_000 }))
    expect(report.tasks.map(({ state }) => state)).toEqual(report.tasks.map(() => 'accepted'))
    expect(report.accused).toEqual([])
    expect(most()).toBeGreaterThan(140_000)
    expect(most()).toBeLessThanOrEqual(230_000)
    await expect
      .poll(async () => (await volunteer.worker.storageUse(volunteer.consent))?.used, { timeout: 10_000 })
      .toBe(blocks.size())
  }, 60_000)

  it('CON-2 offers nothing and takes nothing that its disk could never hold', async () => {
    const requester = await cluster.requester()
    const { volunteer, blocks } = await volunteerWith({ storageGbMax: 0.00005 })
    const events: string[] = []
    requester.onEvent(({ type }) => events.push(type))
    await requester.wait(await requester.submit({ ...largeTasks(1), deadline: 400 }))
    expect(events).not.toContain('offer')
    expect(await assigned(volunteer, requester, 70_000)).toMatchObject([{ code: 'consent/storage-never' }])
    expect(volunteer.worker.status().leases).toEqual([])
    expect(blocks.size()).toBe(0)
  })

  it('CON-2 says so when an input could never fit, and is not asked for it again and again', async () => {
    const requester = await cluster.requester()
    // Room for a result, not for an input beside it.
    await volunteerWith({ storageGbMax: 0.0001 })
    let assigned = 0
    requester.onEvent(({ type }) => {
      if (type === 'assigned') assigned++
    })
    const id = await requester.submit({ ...largeTasks(1), f: 0, deadline: 20_000 })
    await expect
      .poll(() => requester.report(id).volunteers, { timeout: 15_000 })
      .toMatchObject({ ready: 0, cramped: 1 })
    await systemTimers.sleep(1500)
    expect(assigned).toBe(1)
  }, 30_000)

  it('CON-2 sends nothing, not even an offer, under a consent that allows no traffic', async () => {
    const requester = await cluster.requester()
    const { volunteer } = await volunteerWith({ bandwidthMbpsMax: 0 })
    const events: string[] = []
    requester.onEvent(({ type }) => events.push(type))
    await requester.wait(await requester.submit(campaignOf(1, { deadline: 400 })))
    expect(events).not.toContain('offer')
    expect(volunteer.worker.status().leases).toEqual([])
  })

  it('CON-5 waits for no slow line when a consent ends', async () => {
    const requester = await cluster.requester()
    // When the burst is spent the next input would come in days.
    const { volunteer } = await volunteerWith({ bandwidthMbpsMax: 0.000001 })
    // No output is another's input, which would be here already.
    const inputs = Array.from({ length: 20 }, (_, i) => new Uint8Array(70_000).fill(2 * i))
    void requester.submit({ ...largeTasks(0), inputs, f: 0, deadline: 20_000 }).catch(() => undefined)
    const waiting = () => volunteer.worker.status().leases.filter(({ state }) => state === 'fetching')
    await expect
      .poll(() => waiting().some(({ since }) => Date.now() - since > 500), { timeout: 10_000 })
      .toBe(true)
    const { tokens } = volunteer.registry.revoke(volunteer.consent, 'a test')
    await volunteer.worker.quiet(tokens)
    expect(volunteer.worker.status().leases).toEqual([])
  }, 30_000)

  it('CON-5 ends a fetch that waits for its line with the last task that wants it', async () => {
    const { volunteer } = await volunteerWith({ bandwidthMbpsMax: 0.000001 })
    const { registry: consents, consent, mesh } = volunteer
    const bandwidth = new ConsentBandwidth({ consents, clock: systemClock, timers: systemTimers })
    await bandwidth.take(consent, 1024 * 1024, 'block')
    const executor = createFunctionExecutor(honest)
    const parts = { mesh, executor, consents, bandwidth, logger: silentLogger, requesterReputation: () => 0 }
    const gated = new GatedWork({ ...parts, slots: 1, processors: 1 })
    const { id: campaign, manifest } = manifestOf(10)
    const wanted = new AbortController()
    const options = { maxBytes: 1024 * 1024, signal: wanted.signal }
    const fetching = gated.fetch({ consent, campaign, manifest }, manifest.module, options)
    const failed = expect(fetching).rejects.toBe('consent/revoked')
    await systemTimers.sleep(20)
    wanted.abort('consent/revoked')
    await failed
  })
})
