import { type NodeId, systemClock, systemRandom, systemTimers } from '@askee/core'
import { eventually } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import { MessageType } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, describe, expect, it } from 'vitest'
import { MAX_PEER_ENTRY_BYTES } from '../src/defaults.ts'
import { createNode } from '../src/libp2p-node.ts'
import { hearOfPeers, limitNames } from '../src/more-peers.ts'
import { GuardedDatastore } from '../src/records/guarded-datastore.ts'
import { type HostileNode, hostileNode } from './hostile.ts'
import { loopbackNode, strangerId } from './nodes.ts'

const NODES = 6
const WANTED = 4

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function started(bootstrap: readonly string[] = []) {
  const node = loopbackNode({ bootstrap, keepingPeriod: 200, minimumPeers: WANTED })
  await node.start()
  stops.push(() => node.stop())
  return node
}

describe('nodes that know one node', () => {
  it('NET-4 find as many others through it as they want', async () => {
    const centre = await started()
    const nodes = await Promise.all(Array.from({ length: NODES }, () => started(centre.addresses())))
    await eventually(() => nodes.every((node) => node.peers().length >= WANTED))
  }, 60_000)
})

const address = (i: number) => multiaddr(`/ip4/10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/tcp/4001`)

/** Answers every question for nodes with these names, each with so many addresses. */
function nameMany(hostile: HostileNode, names: readonly NodeId[], addresses: number): void {
  const inside = hostile.services.dht as unknown as { rpc: { handlers: Record<string, object> } }
  inside.rpc.handlers[MessageType.FIND_NODE.toString()] = {
    handle: async (_from: unknown, message: object) => ({
      ...message,
      closer: names.map((id) => ({
        id: peerIdFromString(id).toMultihash().bytes,
        multiaddrs: Array.from({ length: addresses }, (_, i) => address(i).bytes),
      })),
      providers: [],
    }),
  }
}

/** A node as the mesh makes it, and what it remembers of peers. */
async function nodeInside(self = createIdentity(systemRandom)) {
  const datastore = new GuardedDatastore(systemClock, self.id)
  const gater = { denyDialMultiaddr: () => false }
  const components = { identity: self, clock: systemClock, datastore, gater, topics: new Map() }
  const node = await createNode(
    { ...components, onMulticast: () => {} },
    {
      network: 'local',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: 'off',
      topics: new Map(),
      allowInbound: ['/ip4/127.0.0.1'],
    },
  )
  limitNames(node.services.dht)
  await node.start()
  stops.push(() => node.stop())
  const addressesOf = async (id: NodeId) =>
    (await node.peerStore.get(peerIdFromString(id)).catch(() => undefined))?.addresses.length ?? 0
  return { node, datastore, addressesOf }
}

describe('a node that is named others', () => {
  it('NET-5 remembers as many of one answer as a bucket has, with some addresses each, and looks for no more', async () => {
    const hostile = await hostileNode()
    stops.push(() => hostile.stop())
    const names = Array.from({ length: 100 }, strangerId)
    nameMany(hostile, names, 50)
    const { node, addressesOf } = await nodeInside()
    await node.dial(hostile.getMultiaddrs())
    const ask = { random: systemRandom, timers: systemTimers }
    await eventually(async () => {
      await hearOfPeers(node.services.dht, [hostile.peerId], ask).catch(() => undefined)
      return (await addressesOf(names[0]!)) > 0
    })
    const counts = await Promise.all(names.map(addressesOf))
    expect(counts.filter((count) => count > 0)).toHaveLength(20)
    expect(Math.max(...counts)).toBe(8)
    // A lookup follows no more of them either.
    const heard = new Set<string>()
    const signal = AbortSignal.timeout(5000)
    const events = node.services.dht.getClosestPeers(systemRandom.bytes(32), { signal })
    try {
      for await (const event of events) {
        if (event.name !== 'PEER_RESPONSE') continue
        for (const { id } of event.closer) heard.add(id.toString())
        break
      }
    } catch {
      // Nobody else answers.
    }
    expect(heard.size).toBeLessThanOrEqual(20)
  }, 60_000)

  it('NET-5 lets nobody swell what it remembers of a peer by inventing addresses for it', async () => {
    const { node, datastore, addressesOf } = await nodeInside()
    const honest = strangerId()
    const peer = peerIdFromString(honest)
    for (let i = 0; i < 150; i++) {
      const multiaddrs = Array.from({ length: 8 }, (_, at) => address(8 * i + at))
      await node.peerStore.merge(peer, { multiaddrs }).catch(() => undefined)
    }
    const sizes = [...datastore._all()].map(({ value }) => value.byteLength)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_PEER_ENTRY_BYTES)
    expect(await addressesOf(honest)).toBeGreaterThan(100)
    // Its own word takes the place of all of them.
    await node.peerStore.patch(peer, { multiaddrs: [address(1)] })
    expect(await addressesOf(honest)).toBe(1)
  })
})
