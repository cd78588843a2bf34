import type { Digest, Milliseconds, NodeId } from '../ids.ts'
import type { Startable } from '../lifecycle.ts'

/** Name of a request protocol, e.g. `/askee/compute/assign/1`. */
export type ProtocolName = `/askee/${string}`
/** Name of a gossip topic, e.g. `/askee/topic/campaigns/1`. */
export type TopicName = `/askee/topic/${string}`

export type MeshErrorCode =
  | 'mesh/unreachable'
  | 'mesh/timeout'
  | 'mesh/refused'
  | 'mesh/rate-limited'
  | 'mesh/too-large'
  | 'mesh/unsupported-protocol'
  | 'mesh/stale-record'
  | 'mesh/invalid-record'
  | 'mesh/no-quorum'
  | 'mesh/not-found'
  | 'mesh/stopped'
  | 'mesh/unknown-topic'

export interface MeshRequest {
  /** Proven by the secure channel, not claimed. */
  readonly from: NodeId
  readonly body: Uint8Array
  /** Aborts when the requester goes away, the deadline passes or the mesh stops. */
  readonly signal: AbortSignal
}

/** Answers a request. An AskeeError thrown reaches the requester as `mesh/refused` with `details.code`. */
export type RequestHandler = (request: MeshRequest) => Promise<Uint8Array>

export interface ProtocolLimits {
  readonly maxRequestBytes: number
  readonly maxResponseBytes: number
  /** Requests a second that one peer may send, averaged. */
  readonly ratePerSecond: number
  /** Requests that one peer may send at once above the average. */
  readonly burst: number
  /** Requests of one peer answered at the same time. */
  readonly concurrency: number
}

export interface RequestOptions {
  readonly signal?: AbortSignal
  /** From call to whole answer. Default 10 s. */
  readonly timeout?: Milliseconds
  /** Largest accepted answer; default 1 MiB. */
  readonly maxResponseBytes?: number
}

/** Seconds of the average that an author may send at once, unless the rules say otherwise. */
const AUTHOR_BURST_SECONDS = 10

/** The bucket that the rules of a topic give every author, or undefined when they set no limit. */
export function authorBucket(rules: TopicRules): { perSecond: number; burst: number } | undefined {
  const { authorRatePerSecond: perSecond, authorBurst } = rules
  if (perSecond === undefined) return undefined
  return { perSecond, burst: authorBurst ?? Math.max(1, AUTHOR_BURST_SECONDS * perSecond) }
}

/** How a block is to be had. */
export interface BlockOptions {
  /** Asked in this order. */
  readonly providers?: readonly NodeId[]
  readonly maxBytes?: number
  readonly signal?: AbortSignal
  /** Told the block's size before anything of it is kept here. A rejection ends it all, and nothing is kept. */
  admit?(bytes: number): Promise<void>
  /**
   * Waited for before each request to a provider, with the most that the answer may have; the returned function is told how
   * many bytes came.
   */
  pace?(bytes: number): Promise<(came: number) => void>
}

/** What a node says of a gossip message: pass it on, drop it, or drop it and lower the sender's score. */
export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export interface GossipMessage {
  /** Author, proven by signature. */
  readonly from: NodeId
  readonly body: Uint8Array
}

export interface TopicRules {
  readonly maxBytes: number
  /** Messages a second expected on the whole topic: peer scoring is derived from it. */
  readonly expectedRatePerSecond: number
  /**
   * Messages a second that one author may send, averaged. More are ignored before `validate` is asked, so that heavy
   * validation costs no more than this; own ones are refused. Default: no limit.
   */
  readonly authorRatePerSecond?: number
  /** Messages that one author may send at once above that average. Default: those of ten seconds, at least one. */
  readonly authorBurst?: number
  /** Judges a message before it is passed on. A throw counts as `reject`. */
  validate(message: GossipMessage): GossipVerdict | Promise<GossipVerdict>
}

/**
 * A value under a key that only its owner can write. Stored on the nodes closest to the key.
 * The owner's signature covers every field.
 */
export interface SignedRecord {
  readonly namespace: string
  /** Name within the owner's part of the namespace. */
  readonly name: string
  readonly owner: NodeId
  readonly value: Uint8Array
  /** Grows with every version; a lower one never replaces a higher one. */
  readonly sequence: number
  /** Not served or accepted after this time (ms since 1970). */
  readonly expires: number
}

export interface RecordKey {
  readonly namespace: string
  readonly owner: NodeId
  readonly name: string
}

/** Largest signed record, in bytes, value and signature included. */
export const MAX_RECORD_BYTES = 8192

/**
 * The network as the rest of the house sees it. Implemented over libp2p (`@askee/network`) and in memory
 * (`@askee/core/testing`); both pass `meshAcceptance`.
 */
export interface Mesh extends Startable {
  readonly self: NodeId
  /** Addresses at which others reach this node now, each ending in `/p2p/<self>`. */
  addresses(): string[]
  /** Connected peers. */
  peers(): NodeId[]
  /** Calls back on every connection made or lost; the returned function ends it. */
  onPeer(listener: (peer: NodeId, state: 'connected' | 'disconnected') => void): () => void
  /** Connects to an address and remembers the peer. */
  dial(address: string, signal?: AbortSignal): Promise<NodeId>

  /** @throws AskeeError with a MeshErrorCode */
  request(to: NodeId, protocol: ProtocolName, body: Uint8Array, options?: RequestOptions): Promise<Uint8Array>
  /** The returned function removes the handler. */
  handle(protocol: ProtocolName, limits: ProtocolLimits, handler: RequestHandler): () => void

  /**
   * Topics are declared before start, each with its rules; others are refused.
   * @throws AskeeError `mesh/unknown-topic`, `mesh/too-large`, `mesh/rate-limited` above the author's rate, or
   * `mesh/refused` by the own rules
   */
  publish(topic: TopicName, body: Uint8Array): Promise<void>
  /** Delivers accepted messages of others and of this node. The returned function unsubscribes. */
  subscribe(topic: TopicName, listener: (message: GossipMessage) => void): () => void

  /**
   * Signs and stores a record at the closest nodes.
   * @returns how many nodes acknowledged; the own copy does not count
   * @throws AskeeError `mesh/no-quorum` when fewer than `quorum` did, `mesh/invalid-record`, `mesh/stale-record`
   */
  putRecord(
    record: Omit<SignedRecord, 'owner'>,
    options: { quorum: number; signal?: AbortSignal },
  ): Promise<{ acknowledged: number }>
  /** The newest valid record that reachable nodes hold, or undefined. */
  getRecord(key: RecordKey, options?: { signal?: AbortSignal }): Promise<SignedRecord | undefined>
  /** Up to `count` nodes closest to `key` by XOR distance of SHA-256, nearest first, without this node. */
  closestPeers(key: Uint8Array, count: number, options?: { signal?: AbortSignal }): Promise<NodeId[]>

  /** Keeps a block here and serves it to those peers who may have it. */
  putBlock(bytes: Uint8Array): Promise<Digest>
  /**
   * A block from here, else from the first of `providers` that gives it. Verified on arrival.
   * @throws AskeeError `mesh/not-found` when all who were asked do not have it, `mesh/too-large`, else why a provider
   * could not be asked: `mesh/rate-limited`, `mesh/unreachable`, `mesh/timeout`, `mesh/refused`, and whatever `admit` throws
   */
  getBlock(digest: Digest, options?: BlockOptions): Promise<Uint8Array>
}
