import { digestOf, encode, type NodeId } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signManifest } from '../src/protocol/manifest.ts'
import { PROTOCOLS } from '../src/protocol/names.ts'
import { openWorkerDoors, type WorkerDoorHandlers } from '../src/worker/doors.ts'
import { Cluster } from './support/cluster.ts'

let cluster: Cluster
beforeEach(() => {
  cluster = new Cluster()
})
afterEach(() => cluster.stop())

/** Doors whose line is spent, and what was counted on it. */
async function spentDoors(holds: boolean) {
  const mesh = await cluster.node(createIdentity(cluster.random))
  const requester = createIdentity(cluster.random)
  const asking = await cluster.node(requester)
  const came: [from: NodeId, consent: string | undefined, bytes: number][] = []
  const handlers: WorkerDoorHandlers = {
    holdsLeaseOf: () => holds,
    offeredTo: () => holds,
    assign: (_from, _signed, { leases }) => ({ accepted: leases.map(({ lease }) => lease), refused: [] }),
    reveal: async (_from, _campaign, leases) =>
      ({ document: null, reveals: [], unknown: [...leases] }) as never,
    settle: () => undefined,
    consentsOf: () => ['held'],
    came: (...counted) => void came.push(counted),
    pace: () => new Promise(() => {}),
    assertShown: () => undefined,
  }
  openWorkerDoors(mesh, handlers)
  const ask = (name: 'assign' | 'reveal' | 'settle', body: Uint8Array) =>
    asking.request(mesh.self, PROTOCOLS[name], body, { timeout: 1000 }).then(
      () => 'answered',
      () => 'not answered',
    )
  return { came, ask, requester }
}

const campaign = digestOf(new Uint8Array())
const cited = 'cd'.repeat(16)
const lease = 'ab'.repeat(16)

describe('what comes through the doors of a worker', () => {
  it('CON-2 counts a request before it waits to answer, so that a short deadline makes nothing free', async () => {
    const { came, ask, requester } = await spentDoors(true)
    const manifest = signManifest(requester, {
      v: 1,
      requester: requester.id,
      purpose: 'tests',
      kind: 'scientific-compute',
      module: campaign,
      inputs: campaign,
      count: 5,
      resources: { fuel: 100n as never, memoryBytes: 65_536, outputBytes: 10, wallTime: 1000 },
      f: 1,
      created: Date.now(),
      deadline: Date.now() + 60_000,
      minReputation: 0,
      nonce: cluster.random.bytes(16),
    }).bytes
    const bytes = new Uint8Array(10_000)
    const leases = [{ lease, task: 0, input: campaign, bytes, expiresIn: 1000 }]
    const assign = encode({ v: 1, manifest, consent: cited, leases })
    expect(await ask('assign', assign)).toBe('not answered')
    await expect.poll(() => came.length).toBe(1)
    const reveal = encode({ v: 1, campaign, leases: [lease] })
    expect(await ask('reveal', reveal)).toBe('not answered')
    await expect.poll(() => came.length).toBe(2)
    expect(came).toEqual([
      [requester.id, cited, assign.byteLength],
      [requester.id, 'held', reveal.byteLength],
    ])
  })

  it('CON-2 counts a request that is refused', async () => {
    const { came, ask, requester } = await spentDoors(false)
    for (const name of ['assign', 'reveal', 'settle'] as const)
      expect(await ask(name, new Uint8Array(20_000))).toBe('not answered')
    expect(came).toEqual(Array(3).fill([requester.id, undefined, 20_000]))
  })
})
