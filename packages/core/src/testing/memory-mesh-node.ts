import { bytesEqual, utf8 } from '../bytes.ts'
import { encode } from '../codec.ts'
import { AskeeError } from '../errors.ts'
import { type Digest, digestOf, type NodeId } from '../ids.ts'
import type { BlockStore } from '../ports/blocks.ts'
import type {
  BlockOptions,
  GossipMessage,
  Mesh,
  ProtocolLimits,
  ProtocolName,
  RecordKey,
  RequestHandler,
  RequestOptions,
  SignedRecord,
  TopicName,
  TopicRules,
} from '../ports/mesh.ts'
import { MAX_RECORD_BYTES } from '../ports/mesh.ts'
import { createMemoryBlockStore } from './memory-block-store.ts'
import { byDistance } from './memory-distance.ts'
import type { MemoryFabric, MemoryMeshNodeInit } from './memory-mesh.ts'
import { admit, MemoryAuthors, MemoryRequests } from './memory-mesh-requests.ts'

/** Nodes that hold a record (the bucket size k of Kademlia). */
const REPLICATION = 20
/** Room that a signature and its envelope take in the real encoding. */
const SIGNATURE_ROOM_BYTES = 160
/** What the real mesh asks for at once. */
const CHUNK_BYTES = 1024 * 1024
const DEFAULT_BLOCK_BYTES = 64 * 1024 * 1024

/** As the real encoding has it. */
const NAMESPACE = /^[a-z0-9-]{1,32}$/
const NAME = /^[!-~]{1,128}$/

type PeerListener = (peer: NodeId, state: 'connected' | 'disconnected') => void

/** One node of a MemoryMeshNetwork; make it with `network.node`. */
export class MemoryMeshNode implements Mesh {
  readonly self: NodeId
  started = false
  readonly #topics: ReadonlyMap<TopicName, TopicRules>
  readonly #blocks: BlockStore
  readonly #mayFetch: (peer: NodeId, digest: Digest) => boolean
  readonly #fabric: MemoryFabric
  readonly #requests: MemoryRequests
  readonly #authors: MemoryAuthors
  readonly #records = new Map<string, SignedRecord>()
  readonly #subscribers = new Map<TopicName, Set<(message: GossipMessage) => void>>()
  readonly #peerListeners = new Set<PeerListener>()
  #peers = new Set<NodeId>()

  constructor(self: NodeId, init: MemoryMeshNodeInit, fabric: MemoryFabric) {
    this.self = self
    this.#topics = init.topics
    this.#blocks = init.blocks ?? createMemoryBlockStore()
    this.#mayFetch = init.mayFetch ?? (() => true)
    this.#fabric = fabric
    this.#requests = new MemoryRequests(self, fabric)
    this.#authors = new MemoryAuthors(fabric)
  }

  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.started = true
    this.#fabric.changed()
  }

  async stop(): Promise<void> {
    if (!this.started) return
    this.started = false
    this.#requests.abortAll(new AskeeError('mesh/stopped', 'the mesh was stopped'))
    this.#fabric.changed()
  }

  addresses(): string[] {
    return [`/memory/${this.self}/p2p/${this.self}`]
  }

  peers(): NodeId[] {
    return [...this.#peers]
  }

  onPeer(listener: PeerListener): () => void {
    this.#peerListeners.add(listener)
    return () => this.#peerListeners.delete(listener)
  }

  /** Called by the network when reachability changed. */
  refreshPeers(): void {
    const now = new Set(this.#fabric.reachable(this.self).map((node) => node.self))
    const before = this.#peers
    this.#peers = now
    for (const peer of before) {
      if (now.has(peer)) continue
      this.#requests.abortPeer(peer, new AskeeError('mesh/unreachable', `the connection to ${peer} was lost`))
      for (const listener of this.#peerListeners) listener(peer, 'disconnected')
    }
    for (const peer of now) {
      if (!before.has(peer)) for (const listener of this.#peerListeners) listener(peer, 'connected')
    }
  }

  async dial(address: string, signal?: AbortSignal): Promise<NodeId> {
    this.#assertStarted()
    signal?.throwIfAborted()
    const id = /^\/memory\/([^/]+)\/p2p\/\1$/.exec(address)?.[1] as NodeId | undefined
    if (id === undefined || this.#fabric.find(this.self, id) === undefined) {
      throw new AskeeError('mesh/unreachable', `nobody answers at ${address}`)
    }
    return id
  }

  async request(
    to: NodeId,
    protocol: ProtocolName,
    body: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    this.#assertStarted()
    const peer = to === this.self ? this : this.#fabric.find(this.self, to)
    if (peer === undefined) throw new AskeeError('mesh/unreachable', `${to} cannot be reached`)
    return this.#requests.send(peer.#requests, protocol, Uint8Array.from(body), options)
  }

  handle(protocol: ProtocolName, limits: ProtocolLimits, handler: RequestHandler): () => void {
    return this.#requests.handle(protocol, limits, handler)
  }

  async publish(topic: TopicName, body: Uint8Array): Promise<void> {
    this.#assertStarted()
    const rules = this.#rules(topic)
    if (body.byteLength > rules.maxBytes) {
      throw new AskeeError(
        'mesh/too-large',
        `expected at most ${rules.maxBytes} bytes, received ${body.byteLength}`,
      )
    }
    if (!this.#authors.take(topic, rules, this.self)) {
      throw new AskeeError('mesh/rate-limited', `the rules of ${topic} allow no more messages now`)
    }
    const message: GossipMessage = { from: this.self, body: Uint8Array.from(body) }
    const verdict = await admit(rules, message)
    if (verdict === 'reject')
      throw new AskeeError('mesh/refused', `the rules of ${topic} refuse this message`)
    if (verdict === 'ignore') return
    this.#deliver(topic, message)
    for (const peer of this.#fabric.reachable(this.self)) {
      const copy = { from: this.self, body: Uint8Array.from(body) }
      this.#fabric.send(this.self, peer.self, 'gossip', () => void peer.#receive(topic, copy))
    }
  }

  subscribe(topic: TopicName, listener: (message: GossipMessage) => void): () => void {
    this.#rules(topic)
    const listeners = this.#subscribers.get(topic) ?? new Set()
    this.#subscribers.set(topic, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  async putRecord(
    draft: Omit<SignedRecord, 'owner'>,
    options: { quorum: number; signal?: AbortSignal },
  ): Promise<{ acknowledged: number }> {
    this.#assertStarted()
    options.signal?.throwIfAborted()
    const record: SignedRecord = { ...draft, owner: this.self, value: Uint8Array.from(draft.value) }
    this.#assertValid(record)
    const key = keyOf(record)
    if (!this.#keep(key, record)) {
      throw new AskeeError('mesh/stale-record', `a newer version of ${record.name} is already known here`)
    }
    const holders = byDistance(this.#fabric.reachable(this.self), utf8(key)).slice(0, REPLICATION)
    let acknowledged = 0
    for (const holder of holders) {
      this.#fabric.send(this.self, holder.self, 'record', () => {
        if (holder.#keep(key, record)) acknowledged++
      })
    }
    await this.#settle(holders)
    if (acknowledged < options.quorum) {
      throw new AskeeError(
        'mesh/no-quorum',
        `expected ${options.quorum} acknowledgements, received ${acknowledged}`,
        { acknowledged },
      )
    }
    return { acknowledged }
  }

  async getRecord(key: RecordKey, options: { signal?: AbortSignal } = {}): Promise<SignedRecord | undefined> {
    this.#assertStarted()
    options.signal?.throwIfAborted()
    const name = keyOf(key)
    const holders = byDistance(this.#fabric.reachable(this.self), utf8(name)).slice(0, REPLICATION)
    let best = this.#held(name)
    for (const holder of holders) {
      this.#fabric.send(this.self, holder.self, 'record', () => {
        const found = holder.#held(name)
        if (found !== undefined && (best === undefined || found.sequence > best.sequence)) best = found
      })
    }
    await this.#settle(holders)
    return best
  }

  async closestPeers(
    key: Uint8Array,
    count: number,
    options: { signal?: AbortSignal } = {},
  ): Promise<NodeId[]> {
    this.#assertStarted()
    options.signal?.throwIfAborted()
    const near = byDistance(this.#fabric.reachable(this.self), key)
    return near.slice(0, count).map((node) => node.self)
  }

  async putBlock(bytes: Uint8Array): Promise<Digest> {
    return this.#blocks.put(bytes)
  }

  async getBlock(digest: Digest, options: BlockOptions = {}): Promise<Uint8Array> {
    this.#assertStarted()
    const maxBytes = options.maxBytes ?? DEFAULT_BLOCK_BYTES
    let found = await this.#blocks.get(digest)
    if (found !== undefined && found.byteLength <= maxBytes) await options.admit?.(found.byteLength)
    let unreachable: NodeId | undefined
    for (const id of options.providers ?? []) {
      if (found !== undefined) break
      options.signal?.throwIfAborted()
      const provider = this.#fabric.find(this.self, id)
      if (provider === undefined) unreachable = id
      const came = await options.pace?.(Math.min(maxBytes, CHUNK_BYTES))
      const bytes = await provider?.serveBlock(this.self, digest)
      came?.(bytes?.byteLength ?? 0)
      if (bytes === undefined) continue
      if (bytes.byteLength > maxBytes) throw tooLarge(digest, bytes, maxBytes)
      if (digestOf(bytes) === digest) {
        await options.admit?.(bytes.byteLength)
        found = Uint8Array.from(bytes)
        await this.#blocks.put(found)
      }
    }
    if (found === undefined && unreachable !== undefined) {
      throw new AskeeError('mesh/unreachable', `${unreachable} cannot be reached`)
    }
    if (found === undefined) throw new AskeeError('mesh/not-found', `no node asked holds ${digest}`)
    if (found.byteLength > maxBytes) throw tooLarge(digest, found, maxBytes)
    return found
  }

  /** The block when held here and for the asker; what another node's getBlock asks for. */
  async serveBlock(from: NodeId, digest: Digest): Promise<Uint8Array | undefined> {
    return this.#mayFetch(from, digest) ? this.#blocks.get(digest) : undefined
  }

  async #receive(topic: TopicName, message: GossipMessage): Promise<void> {
    const rules = this.#topics.get(topic)
    if (rules === undefined || message.body.byteLength > rules.maxBytes) return
    if (!this.#authors.take(topic, rules, message.from)) return
    if ((await admit(rules, message)) === 'accept') this.#deliver(topic, message)
  }

  #deliver(topic: TopicName, message: GossipMessage): void {
    queueMicrotask(() => {
      if (!this.started) return
      for (const listener of this.#subscribers.get(topic) ?? []) listener(message)
    })
  }

  #rules(topic: TopicName): TopicRules {
    const rules = this.#topics.get(topic)
    if (rules === undefined) throw new AskeeError('mesh/unknown-topic', `${topic} was not declared`)
    return rules
  }

  #assertStarted(): void {
    if (!this.started) throw new AskeeError('mesh/stopped', 'the mesh is not running')
  }

  #assertValid(record: SignedRecord): void {
    if (!NAMESPACE.test(record.namespace) || !NAME.test(record.name)) {
      throw new AskeeError('mesh/invalid-record', 'expected a namespace and a name that a key may have')
    }
    if (!Number.isSafeInteger(record.sequence) || record.sequence < 0) {
      throw new AskeeError('mesh/invalid-record', `expected a sequence from 0, received ${record.sequence}`)
    }
    const size = encode(record).byteLength + SIGNATURE_ROOM_BYTES
    if (size > MAX_RECORD_BYTES) {
      throw new AskeeError(
        'mesh/invalid-record',
        `expected at most ${MAX_RECORD_BYTES} bytes, received ${size}`,
      )
    }
    if (record.expires <= this.#fabric.clock.now()) {
      throw new AskeeError('mesh/invalid-record', 'the record has expired')
    }
  }

  /** Whether the record is now the one held: newer than what was there, or the same. */
  #keep(key: string, record: SignedRecord): boolean {
    const held = this.#held(key)
    if (held !== undefined && held.sequence > record.sequence) return false
    if (held !== undefined && held.sequence === record.sequence) {
      return bytesEqual(encode(held), encode(record))
    }
    this.#records.set(key, record)
    return true
  }

  #held(key: string): SignedRecord | undefined {
    const record = this.#records.get(key)
    return record !== undefined && record.expires > this.#fabric.clock.now() ? record : undefined
  }

  /** Resolves when what was sent to `holders` has arrived: a message sent after it, to each of them. */
  async #settle(holders: readonly MemoryMeshNode[]): Promise<void> {
    await Promise.all(holders.map((holder) => this.#requests.roundTrip(holder.self)))
  }
}

function keyOf(key: RecordKey): string {
  return `/${key.namespace}/${key.owner}/${key.name}`
}

function tooLarge(digest: Digest, bytes: Uint8Array, maxBytes: number): AskeeError {
  return new AskeeError(
    'mesh/too-large',
    `block ${digest}: expected at most ${maxBytes} bytes, received ${bytes.byteLength}`,
  )
}
