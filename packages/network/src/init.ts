import type {
  BlockStore,
  Clock,
  Digest,
  Logger,
  Mesh,
  Milliseconds,
  NodeId,
  Random,
  Timers,
  TopicName,
  TopicRules,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import type { PaceServing } from './blocks/serving.ts'
import type { MeshMemory } from './memory-file.ts'

/** What the mesh needs. */
export interface Libp2pMeshComponents {
  readonly identity: Identity
  readonly blocks: BlockStore
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

export type Switch = 'on' | 'off'

export interface Libp2pMeshInit {
  /**
   * `local`: one network of trusted hosts; private addresses are used and announced. `public`: private
   * addresses are neither dialled nor stored, unless found by mDNS, named in `bootstrap` or dialled by hand.
   */
  readonly network: 'local' | 'public'
  /** Topics and their rules; no other topic is carried. */
  readonly topics: ReadonlyMap<TopicName, TopicRules>
  /**
   * Whether a peer is given a block; asked for every chunk before anything is read. Refused peers are told that the
   * block is not here. Default: everybody may have everything, which is for tests alone.
   */
  readonly mayFetch?: (peer: NodeId, digest: Digest) => boolean
  /** Waited for before bytes of a block go to a peer; default: nothing is. */
  readonly paceServing?: PaceServing
  /** Multiaddrs. Default: every interface, a free TCP port. */
  readonly listen?: readonly string[]
  /** Addresses told to others besides those found out. */
  readonly announce?: readonly string[]
  /** First peers, each ending in `/p2p/<id>`. */
  readonly bootstrap?: readonly string[]
  /** Where peers, own records and ports are remembered; without it nothing survives a restart. */
  readonly memory?: MeshMemory
  /** Finding peers by multicast. Default on. */
  readonly mdns?: Switch
  /** Multicast UDP port and service; other than the defaults only in tests. */
  readonly mdnsPort?: number
  /** Reaching peers and being reached over relays. Default on in public, off in local networks. */
  readonly relayClient?: Switch
  /** Relaying for others. Default off. */
  readonly relayServer?: Switch
  /** Asking the router for a port. Default on in public, off in local networks. */
  readonly upnp?: Switch
  /** Asking peers whether this node can be reached. Default on in public, off in local networks. */
  readonly autonat?: Switch
  /** Default: `server` in local networks, `automatic` (server once publicly reachable) in public ones. */
  readonly dht?: 'automatic' | 'server' | 'client'
  /** Multiaddr ranges past the inbound threshold, e.g. `/ip4/127.0.0.1`, when many nodes share a host. */
  readonly allowInbound?: readonly string[]
  /** Default 80. */
  readonly maxConnections?: number
  /** Default 8. */
  readonly minimumPeers?: number
  /** How often lost peers are looked after; default 5 s. */
  readonly keepingPeriod?: Milliseconds
}

/** A Mesh with a view inside, for the agent's status page and tests. */
export interface Libp2pMesh extends Mesh {
  /** Gossip score of a peer (gossipsub 1.1); below −80 its messages are not read. */
  scoreOf(peer: NodeId): number
  /** Whether the peer is kept out for its offences. */
  isBlocked(peer: NodeId): boolean
}
