import { type Clock, concat, type TopicName, type TopicRules } from '@askee/core'
import type { Identity } from '@askee/keys'
import { noise } from '@chainsafe/libp2p-noise'
import { autoNAT } from '@libp2p/autonat'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import type { ConnectionGater, Libp2p, PeerInfo } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Datastore } from 'interface-datastore'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import {
  CONNECTION_PING_MS,
  DEFAULT_LISTEN,
  DHT_MESSAGE_TIMEOUT_MS,
  DHT_PROTOCOL,
  DIAL_TIMEOUT_MS,
  INBOUND_PER_SECOND,
  MAX_CONNECTIONS,
  MAX_PARALLEL_DIALS,
  MAX_PENDING_INBOUND,
  MAX_RELAY_RESERVATIONS,
  MDNS_SERVICE,
  PEER_MEMORY_MS,
  REPLICATION,
  SELF_QUERY_MS,
} from './defaults.ts'
import { gossipService } from './gossip-service.ts'
import type { Libp2pMeshInit } from './init.ts'
import { quietLogger } from './quiet-logger.ts'
import { recordRules } from './records/validator.ts'

export type AskeeServices = { dht: KadDHT; pubsub: GossipSub; ping: Ping; listening: Listening } & Record<
  string,
  unknown
>
/** The addresses that the transports listen at: not what is announced. */
export interface Listening {
  addresses(): string[]
}
export type AskeeNode = Libp2p<AskeeServices>

export interface NodeComponents {
  readonly identity: Identity
  readonly clock: Clock
  readonly datastore: Datastore
  readonly gater: ConnectionGater
  readonly topics: ReadonlyMap<TopicName, TopicRules>
  /** Called with every peer that multicast finds. */
  readonly onMulticast: (peer: PeerInfo) => void
}

/** The options of the libp2p node: what is on, and with which bounds. */
export async function nodeOptions(
  components: NodeComponents,
  init: Libp2pMeshInit,
): Promise<Libp2pOptions<AskeeServices>> {
  const open = init.network === 'public'
  const on = (value: 'on' | 'off' | undefined, byDefault: boolean): boolean =>
    value === undefined ? byDefault : value === 'on'
  // Loaded only where it is used: 6 MB and the longest import after libp2p itself.
  const upnp = on(init.upnp, open) ? (await import('@libp2p/upnp-nat')).uPnPNAT() : undefined
  const relayClient = on(init.relayClient, open)
  const dht = init.dht ?? (open ? 'automatic' : 'server')
  const { identity } = components
  return {
    // With the public half at hand nothing is computed: from the seed alone it is, in JavaScript, a tenth of an agent's start.
    privateKey: privateKeyFromRaw(concat(identity.exportSeed(), identity.publicKey)),
    datastore: components.datastore,
    connectionGater: components.gater,
    logger: quietLogger(),
    nodeInfo: { name: 'askee', version: '1' },
    addresses: {
      listen: [
        ...(init.listen ?? DEFAULT_LISTEN),
        // Named relays only: looking for them walks the DHT without end, at full speed while nobody is there.
        ...(relayClient && open ? (init.bootstrap ?? []).map((relay) => `${relay}/p2p-circuit`) : []),
      ],
      appendAnnounce: [...(init.announce ?? [])],
    },
    transports: [tcp(), ...(relayClient || on(init.relayServer, false) ? [circuitRelayTransport()] : [])],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    peerDiscovery: on(init.mdns, true) ? [multicast(components.onMulticast, init.mdnsPort)] : [],
    peerStore: { maxAddressAge: PEER_MEMORY_MS, maxPeerAge: PEER_MEMORY_MS },
    connectionMonitor: { pingInterval: CONNECTION_PING_MS },
    connectionManager: {
      maxConnections: init.maxConnections ?? MAX_CONNECTIONS,
      maxParallelDials: MAX_PARALLEL_DIALS,
      maxIncomingPendingConnections: MAX_PENDING_INBOUND,
      inboundConnectionThreshold: INBOUND_PER_SECOND,
      dialTimeout: DIAL_TIMEOUT_MS,
      allow: [...(init.allowInbound ?? [])],
      // Ours keeps peers (peers.ts); libp2p's gives up after its retries and forgets the tag.
      reconnectRetries: 0,
    },
    transportManager: { faultTolerance: 1 },
    services: {
      identify: identify({ runOnLimitedConnection: true }),
      identifyPush: identifyPush({ runOnLimitedConnection: true }),
      ping: ping(),
      listening: ({ transportManager }) => ({ addresses: () => transportManager.getAddrs().map(String) }),
      pubsub: gossipService(components.topics),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        kBucketSize: REPLICATION,
        querySelfInterval: SELF_QUERY_MS,
        initialQuerySelfInterval: SELF_QUERY_MS,
        allowQueryWithZeroPeers: true,
        peerInfoMapper: open ? removePrivateAddressesMapper : passthroughMapper,
        networkDialTimeout: { minTimeout: DHT_MESSAGE_TIMEOUT_MS, maxTimeout: DHT_MESSAGE_TIMEOUT_MS },
        ...(dht === 'automatic' ? {} : { clientMode: dht === 'client' }),
        ...recordRules(components.clock),
      }),
      ...(on(init.autonat, open) ? { autonat: autoNAT() } : {}),
      ...(upnp === undefined ? {} : { upnp }),
      ...(on(init.relayServer, false)
        ? {
            relay: circuitRelayServer({
              reservations: { maxReservations: MAX_RELAY_RESERVATIONS, applyDefaultLimit: false },
            }),
          }
        : {}),
    } as NonNullable<Libp2pOptions<AskeeServices>['services']>,
  }
}

/** A node that is not started. */
export async function createNode(components: NodeComponents, init: Libp2pMeshInit): Promise<AskeeNode> {
  return createLibp2p({ ...(await nodeOptions(components, init)), start: false })
}

type DiscoveryFactory = NonNullable<Libp2pOptions['peerDiscovery']>[number]

function multicast(found: (peer: PeerInfo) => void, port: number | undefined): DiscoveryFactory {
  return (components) => {
    const discovery = mdns({ serviceTag: MDNS_SERVICE, ...(port === undefined ? {} : { port }) })(components)
    // Registered before libp2p's own listener, so that the gater knows the peer when it is dialled.
    discovery.addEventListener('peer', (event) => found(event.detail))
    return discovery
  }
}
