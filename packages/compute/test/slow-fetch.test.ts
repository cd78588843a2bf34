import { grantForTest } from '@askee/consent/testing'
import {
  type CampaignId,
  type Digest,
  digestOf,
  encode,
  type Fuel,
  type LeaseId,
  type Mesh,
  systemTimers,
} from '@askee/core'
import { decorate } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Budget } from '../src/budget.ts'
import { signSettlement } from '../src/protocol/documents.ts'
import { signManifest } from '../src/protocol/manifest.ts'
import { PROTOCOLS } from '../src/protocol/names.ts'
import { Cluster, PERMISSIONS, type Volunteer } from './support/cluster.ts'
import { EMPTY_MODULE, honest } from './support/function-executor.ts'

/** What its requester never sends. */
const SLOW = digestOf(Uint8Array.of(9))
const QUICK = digestOf(EMPTY_MODULE)
const INPUT = Uint8Array.of(1, 2, 3)

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

/** A volunteer who waits for `SLOW` until the signal ends it, and how many such fetches there are. */
async function volunteerOf(slots: number, task = honest) {
  let fetching = 0
  const slow = async (signal: AbortSignal | undefined): Promise<never> => {
    fetching++
    const { promise, reject } = Promise.withResolvers<never>()
    signal?.addEventListener('abort', () => reject(signal.reason))
    return promise.finally(() => fetching--)
  }
  const volunteer = await cluster.volunteer(task, {
    init: { slots },
    wrapMesh: (mesh) =>
      decorate(mesh, {
        getBlock: (digest, options) =>
          digest === SLOW ? slow(options?.signal) : mesh.getBlock(digest, options),
      }),
  })
  return { volunteer, fetching: () => fetching }
}

/** A requester with a consent of the volunteer. */
async function requesterOf(volunteer: Volunteer) {
  const identity = createIdentity(cluster.random)
  const mesh = await cluster.node(identity)
  await mesh.putBlock(EMPTY_MODULE)
  const { id: consent } = grantForTest(volunteer.registry, identity.id, { permissions: PERMISSIONS })
  return { identity, mesh, consent }
}

interface Wish {
  readonly module: Digest
  readonly tasks: number
  readonly input?: Digest
}

let leases = 0
/** Leases of a new campaign of the requester, which the volunteer accepts. */
async function assign(
  { id }: Volunteer,
  { identity, mesh, consent }: { identity: Identity; mesh: Mesh; consent: string },
  { module, tasks, input }: Wish,
) {
  const { id: campaign, bytes: manifest } = signManifest(identity, {
    v: 1,
    requester: identity.id,
    purpose: 'tests',
    kind: 'scientific-compute',
    module,
    inputs: digestOf(INPUT),
    count: tasks,
    resources: { fuel: 100n as never, memoryBytes: 65_536, outputBytes: 100, wallTime: 1000 },
    f: 1,
    created: Date.now(),
    deadline: Date.now() + 60_000,
    minReputation: 0,
    nonce: cluster.random.bytes(16),
  })
  const wanted = Array.from({ length: tasks }, (_, task) => ({
    lease: `${leases++}`.padStart(32, '0'),
    task,
    input: input ?? digestOf(INPUT),
    bytes: input === undefined ? INPUT : null,
    expiresIn: 60_000,
  }))
  await mesh.request(id, PROTOCOLS.assign, encode({ v: 1, manifest, consent, leases: wanted }))
  return { campaign, leases: wanted.map(({ lease }) => lease as LeaseId) }
}

/** The requester needs these no more. */
async function cancel(
  { id }: Volunteer,
  { identity, mesh }: { identity: Identity; mesh: Mesh },
  { campaign, leases }: { campaign: CampaignId; leases: readonly LeaseId[] },
): Promise<void> {
  const settlements = leases.map((lease) => ({
    lease,
    outcome: 'cancelled' as const,
    credit: 0n as Fuel,
    receipt: null,
  }))
  const document = signSettlement(identity, { v: 1, campaign, settlements })
  await mesh.request(id, PROTOCOLS.settle, encode({ v: 1, document }))
}

const states = ({ worker }: Volunteer, of: string): string[] =>
  worker
    .status()
    .leases.filter(({ consent }) => consent === of)
    .map(({ state }) => state)

describe('a requester whose blocks come slowly', () => {
  it('CON-5 holds up no end of another consent', async () => {
    const { volunteer, fetching } = await volunteerOf(4)
    const slow = await requesterOf(volunteer)
    const other = await requesterOf(volunteer)
    await assign(volunteer, slow, { module: SLOW, tasks: 1 })
    await expect.poll(fetching).toBe(1)
    await assign(volunteer, other, { module: QUICK, tasks: 1, input: SLOW })
    const { tokens } = volunteer.registry.revoke(other.consent, 'a test')
    await volunteer.worker.quiet(tokens)
    expect(states(volunteer, other.consent)).toEqual([])
    expect(states(volunteer, slow.consent)).toEqual(['fetching'])
  })

  it.each([
    ['module', { module: SLOW, tasks: 3 }],
    ['input', { module: QUICK, tasks: 3, input: SLOW }],
  ])('NET-5 holds up no work of others, even with one slot, when it is the %s', async (_, wish) => {
    const { volunteer, fetching } = await volunteerOf(1)
    const slow = await requesterOf(volunteer)
    const other = await requesterOf(volunteer)
    await assign(volunteer, slow, wish)
    await expect.poll(fetching).toBe(1)
    await assign(volunteer, other, { module: QUICK, tasks: 2 })
    await expect.poll(() => volunteer.worker.status().completed).toBe(2)
    expect(states(volunteer, slow.consent).sort()).toEqual(['fetching', 'queued', 'queued'])
  })

  it('CMP-4 runs no more tasks than there are slots, whoever wants them', async () => {
    let [running, most] = [0, 0]
    const { volunteer } = await volunteerOf(2, async (request) => {
      most = Math.max(most, ++running)
      await systemTimers.sleep(5)
      running--
      return honest(request)
    })
    for (let i = 0; i < 3; i++) {
      await assign(volunteer, await requesterOf(volunteer), { module: QUICK, tasks: 3 })
    }
    await expect.poll(() => volunteer.worker.status().completed).toBe(9)
    expect(most).toBe(2)
  })

  it('CMP-4 is waited for as long as a lease wants the block, and no longer', async () => {
    const { volunteer, fetching } = await volunteerOf(2)
    const slow = await requesterOf(volunteer)
    const first = await assign(volunteer, slow, { module: SLOW, tasks: 1 })
    const second = await assign(volunteer, slow, { module: SLOW, tasks: 1 })
    expect(states(volunteer, slow.consent)).toEqual(['fetching', 'fetching'])
    await cancel(volunteer, slow, first)
    expect(states(volunteer, slow.consent)).toEqual(['fetching'])
    expect(fetching()).toBe(1)
    await cancel(volunteer, slow, second)
    expect(states(volunteer, slow.consent)).toEqual([])
    await expect.poll(fetching).toBe(0)
    // What was ended is not what the next one is given.
    await assign(volunteer, slow, { module: SLOW, tasks: 1 })
    await expect.poll(fetching).toBe(1)
  })
})

describe('a budget', () => {
  it('NET-5 keeps no place in the line for who has gone, and gives nothing to who comes too late', async () => {
    const budget = new Budget(2)
    const { promise, resolve } = Promise.withResolvers<void>()
    const first = budget.use(1, () => promise)
    const gone = new AbortController()
    const large = budget.use(2, async () => 'large', gone.signal)
    const small = budget.use(1, async () => 'small')
    gone.abort(new Error('gone'))
    await expect(large).rejects.toThrow('gone')
    expect(await small).toBe('small')
    await expect(budget.use(1, async () => 'late', gone.signal)).rejects.toThrow('gone')
    resolve()
    await first
    expect(await budget.use(2, async () => 'all')).toBe('all')
  })
})
