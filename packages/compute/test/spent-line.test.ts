import {
  type CampaignId,
  digestOf,
  encode,
  type LeaseId,
  type Mesh,
  silentLogger,
  systemTimers,
} from '@askee/core'
import { createMemoryBlockStore, VirtualTime } from '@askee/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signManifest } from '../src/protocol/manifest.ts'
import { PROTOCOL_LIMITS, PROTOCOLS } from '../src/protocol/names.ts'
import { CAMPAIGN_TOPIC } from '../src/protocol/topic.ts'
import { ConsentBandwidth } from '../src/worker/consent-bandwidth.ts'
import { GatedWork } from '../src/worker/gated-work.ts'
import { Cluster, PERMISSIONS, type Volunteer } from './support/cluster.ts'
import { createFunctionExecutor, EMPTY_MODULE, honest } from './support/function-executor.ts'

const INPUT = Uint8Array.of(1, 2, 3)
const LONG = { timeout: 30_000 }

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

function manifestOf() {
  return signManifest(cluster.requesterIdentity, {
    v: 1,
    requester: cluster.requesterIdentity.id,
    purpose: 'tests',
    kind: 'scientific-compute',
    module: digestOf(EMPTY_MODULE),
    inputs: digestOf(INPUT),
    count: 5,
    resources: { fuel: 100n as never, memoryBytes: 65_536, outputBytes: 100, wallTime: 1000 },
    f: 1,
    created: Date.now(),
    deadline: Date.now() + 60_000,
    minReputation: 0,
    nonce: cluster.random.bytes(16),
  })
}

/** A volunteer whose consent has this line, and a requester that counts what it hears. */
async function pairOf(bandwidthMbpsMax: number, task = honest) {
  const heard = { offer: 0, commit: 0, heartbeat: 0 }
  const mesh = await cluster.node(cluster.requesterIdentity)
  for (const name of ['offer', 'commit', 'heartbeat'] as const) {
    mesh.handle(PROTOCOLS[name], PROTOCOL_LIMITS[name], async () => {
      heard[name]++
      return encode({ drop: [] })
    })
  }
  await mesh.putBlock(EMPTY_MODULE)
  const resources = { ...PERMISSIONS.resources, bandwidthMbpsMax }
  const volunteer = await cluster.volunteer(task, { permissions: { ...PERMISSIONS, resources } })
  return { heard, mesh, volunteer }
}

/** Gives the volunteer a task, of a campaign of its own. */
async function assign(mesh: Mesh, { id, consent }: Volunteer, lease: LeaseId): Promise<CampaignId> {
  const { id: campaign, bytes: manifest } = manifestOf()
  const leases = [{ lease, task: 0, input: digestOf(INPUT), bytes: INPUT, expiresIn: 60_000 }]
  await mesh.request(id, PROTOCOLS.assign, encode({ v: 1, manifest, consent, leases }), LONG)
  return campaign
}

/** More than a burst comes, which is counted, sense or not. */
async function spend(mesh: Mesh, { id }: Volunteer): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const sent = mesh.request(id, PROTOCOLS.reveal, new Uint8Array(900_000), { timeout: 500 })
    await sent.catch(() => undefined)
  }
}

const leaseOf = (n: number): LeaseId => `${n}`.padStart(32, '0') as LeaseId

describe('a consent whose line is spent', () => {
  it('CON-2 sends no heartbeat, no notice, no offer and no reveal before the line allows it', async () => {
    const goOn = Promise.withResolvers<void>()
    // The second task ends when the line is spent.
    let tasks = 0
    const { heard, mesh, volunteer } = await pairOf(0.000001, async (request) => {
      if (++tasks === 2) await goOn.promise
      return honest(request)
    })
    const first = await assign(mesh, volunteer, leaseOf(1))
    await mesh.publish(CAMPAIGN_TOPIC, manifestOf().bytes)
    await assign(mesh, volunteer, leaseOf(2))
    await expect.poll(() => Object.values(heard).every((times) => times > 0), LONG).toBe(true)
    expect(heard.commit).toBe(1)
    await spend(mesh, volunteer)
    goOn.resolve()
    await expect.poll(() => volunteer.worker.status().completed, LONG).toBe(2)
    // What was on its way arrives.
    await systemTimers.sleep(200)
    const before = { ...heard }
    await mesh.publish(CAMPAIGN_TOPIC, manifestOf().bytes)
    const asked = encode({ v: 1, campaign: first, leases: [leaseOf(1)] })
    const answer = mesh.request(volunteer.id, PROTOCOLS.reveal, asked, { timeout: 500 })
    await expect(answer).rejects.toMatchObject({ code: 'mesh/timeout' })
    expect(heard).toEqual({ ...before, commit: 1 })
    // It would have been answered.
    expect(volunteer.worker.status().leases.map(({ state }) => state)).toContain('revealed')
  }, 60_000)

  it('CON-1 shows no result when the consent ends while the answer waits for its line', async () => {
    const { mesh, volunteer } = await pairOf(2)
    const campaign = await assign(mesh, volunteer, leaseOf(1))
    await expect.poll(() => volunteer.worker.status().completed, LONG).toBe(1)
    await spend(mesh, volunteer)
    const asked = encode({ v: 1, campaign, leases: [leaseOf(1)] })
    const answer = expect(mesh.request(volunteer.id, PROTOCOLS.reveal, asked, LONG)).rejects.toMatchObject({
      code: 'mesh/refused',
      details: { code: 'consent/suspended' },
    })
    const states = () => volunteer.worker.status().leases.map(({ state }) => state)
    await expect.poll(states, { interval: 5 }).toEqual(['revealed'])
    volunteer.registry.suspend(volunteer.consent, 'a test')
    await answer
  }, 60_000)

  it('CON-1 asks for no block when the consent ends while the fetch waits for its line', async () => {
    const { mesh, volunteer } = await pairOf(1)
    const { registry: consents, consent } = volunteer
    const time = new VirtualTime()
    const bandwidth = new ConsentBandwidth({ consents, clock: time, timers: time })
    const blocks = createMemoryBlockStore()
    const shared = { mesh: volunteer.mesh, blocks, consents, bandwidth, logger: silentLogger }
    const executor = createFunctionExecutor(honest)
    const gated = new GatedWork({
      ...shared,
      executor,
      requesterReputation: () => 0,
      slots: 1,
      processors: 1,
    })
    await bandwidth.take(consent, 1024 * 1024, 'block')
    const { id: campaign, manifest } = manifestOf()
    const block = await mesh.putBlock(Uint8Array.of(5))
    const options = { maxBytes: 1024 * 1024, signal: new AbortController().signal }
    const fetching = expect(
      gated.fetch({ consent, campaign, manifest }, block, options),
    ).rejects.toMatchObject({
      code: 'consent/suspended',
    })
    await time.advance(1000)
    consents.suspend(consent, 'a test')
    await time.advance(60_000)
    await fetching
  })
})
