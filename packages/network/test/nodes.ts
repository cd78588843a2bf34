import {
  createLogger,
  type Mesh,
  type NodeId,
  systemClock,
  systemRandom,
  systemTimers,
  type TopicName,
  type TopicRules,
} from '@askee/core'
import { createMemoryBlockStore, eventually } from '@askee/core/testing'
import { createIdentity } from '@askee/keys'
import {
  createLibp2pMesh,
  type Libp2pMesh,
  type Libp2pMeshComponents,
  type Libp2pMeshInit,
  type MeshMemory,
} from '@askee/network'
import { fileSealing } from '@askee/store'

/** The parts of a real node on this machine. */
export function realComponents(change: Partial<Libp2pMeshComponents> = {}): Libp2pMeshComponents {
  return {
    identity: createIdentity(systemRandom),
    blocks: createMemoryBlockStore(),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    logger: createLogger(process.env.ASKEE_TEST_LOG ?? 'silent'),
    ...change,
  }
}

/** Memory in a folder, sealed as the agent does it; the same key for the same number. */
export function memoryIn(directory: string, key = 7): MeshMemory {
  return { directory, sealing: fileSealing(systemRandom, new Uint8Array(32).fill(key), 'peers') }
}

/** A local node on the loopback address, found by nobody but whom it is told of. */
export function loopbackNode(
  init: Partial<Libp2pMeshInit> = {},
  components: Partial<Libp2pMeshComponents> = {},
): Libp2pMesh {
  return createLibp2pMesh(realComponents(components), {
    network: 'local',
    listen: ['/ip4/127.0.0.1/tcp/0'],
    allowInbound: ['/ip4/127.0.0.1'],
    mdns: 'off',
    topics: new Map<TopicName, TopicRules>(),
    ...init,
  })
}

/** Started nodes, each connected with every other, whose DHTs know all of them. */
export async function connectedNodes(
  count: number,
  init: Partial<Libp2pMeshInit> = {},
): Promise<Libp2pMesh[]> {
  const nodes = Array.from({ length: count }, () => loopbackNode(init))
  await Promise.all(nodes.map((node) => node.start()))
  await connect(nodes)
  return nodes
}

/** Connects every pair and waits until the DHTs know of each other. */
export async function connect(nodes: readonly Mesh[]): Promise<void> {
  for (const [i, node] of nodes.entries()) {
    for (const other of nodes.slice(i + 1)) await node.dial(other.addresses()[0] as string)
  }
  for (const node of nodes) {
    await eventually(
      async () => (await node.closestPeers(new Uint8Array(1), nodes.length)).length >= nodes.length - 1,
    )
  }
}

export function strangerId(): NodeId {
  return createIdentity(systemRandom).id
}
