import { type NodeId, utf8 } from '@askee/core'
import { type Identity, signDocument } from '@askee/keys'
import { noise } from '@chainsafe/libp2p-noise'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream } from '@libp2p/interface'
import { Record as DhtRecord, type KadDHT, kadDHT, MessageType, passthroughMapper } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { type BaseDatastore, MemoryDatastore } from 'datastore-core'
import type { Key } from 'interface-datastore'
import { createLibp2p } from 'libp2p'

/** Holds whatever it is given first and then refuses every change of a record. */
export class StubbornDatastore extends MemoryDatastore {
  frozen = false
  override put(key: Key, value: Uint8Array): Key | Promise<Key> {
    if (this.frozen && key.toString().startsWith('/dht/record/')) throw new Error('no')
    return super.put(key, value)
  }
}

export type HostileNode = Libp2p<{ dht: KadDHT; pubsub: GossipSub; ping: Ping }>

/** A node that speaks our protocols, checks nothing and does as the test says. */
export async function hostileNode(datastore: BaseDatastore = new MemoryDatastore()): Promise<HostileNode> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { allow: ['/ip4/127.0.0.1'] },
    connectionMonitor: { enabled: false },
    datastore,
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub({ allowPublishToZeroTopicPeers: true, floodPublish: true }),
      dht: kadDHT({
        protocol: '/askee/kad/1.0.0',
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
        querySelfInterval: 3_600_000,
        initialQuerySelfInterval: 3_600_000,
        validators: { askee: () => {}, other: () => {} },
        selectors: { askee: () => 0, other: () => 0 },
      }),
    },
  })
}

export async function connectTo(hostile: HostileNode, address: string): Promise<void> {
  await hostile.dial(multiaddr(address))
}

/** What `encodeRecord` would make of it, with nothing checked. */
export function forgedRecord(identity: Identity, fields: object, domain = 'askee/record/1'): Uint8Array {
  return signDocument(identity, domain, {
    namespace: 'test',
    name: 'r',
    value: utf8('v'),
    sequence: 1,
    expires: Date.now() + 3_600_000,
    ...fields,
  })
}

export function keyFor(owner: NodeId, name = 'r'): Uint8Array {
  return utf8(`/askee/test/${owner}/${name}`)
}

/** Sends PUT_VALUE itself, past all of kad-dht's own care. Whether the other end confirmed. */
export async function putDirectly(
  hostile: HostileNode,
  to: NodeId,
  key: Uint8Array,
  value: Uint8Array,
): Promise<boolean> {
  const inside = hostile.services.dht as unknown as {
    network: {
      sendRequest(
        to: unknown,
        message: object,
        options: object,
      ): AsyncIterable<{ name: string; record?: unknown }>
    }
  }
  const message = {
    type: MessageType.PUT_VALUE,
    key,
    record: new DhtRecord(key, value, new Date()).serialize(),
  }
  const path = { index: -1, queued: 0, running: 0, total: 0 }
  for await (const event of inside.network.sendRequest(peerIdFromString(to), message, { path })) {
    if (event.name === 'PEER_RESPONSE' && event.record !== undefined) return true
  }
  return false
}

/** A request stream to write raw bytes to. */
export async function rawStream(hostile: HostileNode, to: NodeId): Promise<Stream> {
  return hostile.dialProtocol(peerIdFromString(to), '/askee/request/1')
}

/** Answers every PUT_VALUE as if it had been about nothing. */
export function confirmNothing(hostile: HostileNode): void {
  const inside = hostile.services.dht as unknown as { rpc: { handlers: Record<string, object> } }
  inside.rpc.handlers[MessageType.PUT_VALUE.toString()] = {
    handle: async (_from: unknown, message: object) => ({ ...message, record: undefined }),
  }
}
