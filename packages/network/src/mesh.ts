import {
  AskeeError,
  type BlockOptions,
  type Digest,
  type GossipMessage,
  type NodeId,
  type ProtocolLimits,
  type ProtocolName,
  type RecordKey,
  type RequestHandler,
  type RequestOptions,
  type SignedRecord,
  type TopicName,
} from '@askee/core'
import { Gossip } from './gossip.ts'
import type { Libp2pMesh, Libp2pMeshComponents, Libp2pMeshInit } from './init.ts'
import { Offences } from './offences.ts'
import { Serving } from './requests/serving.ts'
import type { RunningMesh } from './running.ts'

type PeerListener = (peer: NodeId, state: 'connected' | 'disconnected') => void

/** The mesh of one node. Handlers and listeners may be set before start and outlive a stop. */
export function createLibp2pMesh(components: Libp2pMeshComponents, init: Libp2pMeshInit): Libp2pMesh {
  return new MeshOverLibp2p(components, init)
}

class MeshOverLibp2p implements Libp2pMesh {
  readonly self: NodeId
  readonly #components: Libp2pMeshComponents
  readonly #init: Libp2pMeshInit
  readonly #offences: Offences
  readonly #serving: Serving
  readonly #peerListeners = new Set<PeerListener>()
  readonly #gossip: Gossip
  #running: RunningMesh | undefined

  constructor(components: Libp2pMeshComponents, init: Libp2pMeshInit) {
    const { identity, clock, logger } = components
    this.self = identity.id
    this.#components = components
    this.#init = init
    this.#offences = new Offences(clock, logger)
    this.#serving = new Serving(clock, logger, this.#offences)
    this.#gossip = new Gossip(identity.id, init.topics, clock, logger)
  }

  async start(signal?: AbortSignal): Promise<void> {
    if (this.#running !== undefined) return
    // Loaded here, so that a program which merely can run a mesh does not load libp2p.
    const { startMesh } = await import('./running.ts')
    this.#running = await startMesh(
      {
        components: this.#components,
        init: this.#init,
        serving: this.#serving,
        offences: this.#offences,
        gossip: this.#gossip,
        onPeer: (peer, state) => {
          for (const listener of this.#peerListeners) listener(peer, state)
        },
      },
      signal,
    )
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.stop()
  }

  addresses(): string[] {
    return this.#running?.node.getMultiaddrs().map(String) ?? []
  }

  peers(): NodeId[] {
    return this.#running?.node.getPeers().map((peer) => peer.toString() as NodeId) ?? []
  }

  onPeer(listener: PeerListener): () => void {
    this.#peerListeners.add(listener)
    return () => this.#peerListeners.delete(listener)
  }

  async dial(address: string, signal?: AbortSignal): Promise<NodeId> {
    return this.#started().dial(address, signal)
  }

  async request(
    to: NodeId,
    protocol: ProtocolName,
    body: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    return this.#started().requests.request(to, protocol, body, options)
  }

  handle(protocol: ProtocolName, limits: ProtocolLimits, handler: RequestHandler): () => void {
    return this.#serving.handle(protocol, limits, handler)
  }

  async publish(topic: TopicName, body: Uint8Array): Promise<void> {
    this.#started()
    await this.#gossip.publish(topic, body)
  }

  subscribe(topic: TopicName, listener: (message: GossipMessage) => void): () => void {
    return this.#gossip.subscribe(topic, listener)
  }

  async putRecord(
    record: Omit<SignedRecord, 'owner'>,
    options: { quorum: number; signal?: AbortSignal },
  ): Promise<{ acknowledged: number }> {
    return this.#started().records.put(record, options)
  }

  async getRecord(key: RecordKey, options?: { signal?: AbortSignal }): Promise<SignedRecord | undefined> {
    return this.#started().records.get(key, options)
  }

  async closestPeers(key: Uint8Array, count: number, options?: { signal?: AbortSignal }): Promise<NodeId[]> {
    return this.#started().closestPeers(key, count, options?.signal)
  }

  async putBlock(bytes: Uint8Array): Promise<Digest> {
    return this.#started().blocks.put(bytes)
  }

  async getBlock(digest: Digest, options?: BlockOptions): Promise<Uint8Array> {
    return this.#started().blocks.get(digest, options)
  }

  scoreOf(peer: NodeId): number {
    return this.#gossip.score(peer)
  }

  isBlocked(peer: NodeId): boolean {
    return this.#offences.isBlocked(peer)
  }

  #started(): RunningMesh {
    if (this.#running === undefined) throw new AskeeError('mesh/stopped', 'the mesh is not running')
    return this.#running
  }
}
