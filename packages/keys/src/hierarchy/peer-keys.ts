import { AskeeError, bytesEqual, type Clock, type NodeId, type Timestamp } from '@askee/core'
import { verifyIdentityVoid } from '../owner-root/documents.ts'
import { createVoidSet, MAX_KNOWN_VOIDS, type VoidIdentities, type VoidTier } from '../owner-root/void-set.ts'
import {
  isUsable,
  type KeyBundle,
  type KeyRevocation,
  verifyKeyBundle,
  verifyKeyRevocation,
} from './documents.ts'
import type { ChainUse, KeyUse } from './uses.ts'

export type PeerKeyErrorCode =
  | 'keys/bundle-forged'
  | 'keys/bundle-stale'
  | 'keys/bundle-conflict'
  | 'keys/bundle-expired'
  | 'keys/revocation-forged'
  | 'keys/revoked'
  | 'keys/identity-revoked'
  | 'keys/no-peer-key'

/** Public keys of other nodes. Knows only what was signed by their identities, and nothing that was revoked. */
export interface PeerKeys {
  /**
   * Takes a signed bundle.
   * @param from when given, a bundle of any other node is refused
   * @returns whether it was news
   * @throws AskeeError with a PeerKeyErrorCode, `codec/*` or `signature/*`
   */
  acceptBundle(bytes: Uint8Array, from?: NodeId): boolean
  /**
   * Takes a signed revocation: what it names is refused from now on.
   * @returns whether it was news
   */
  acceptRevocation(bytes: Uint8Array, from?: NodeId): boolean
  /**
   * Takes the word of an owner root that a node which adopted it is void, whoever brings it.
   * @param teller `person`: at this machine, so that nothing the mesh says displaces it
   * @returns whether it was news
   * @throws AskeeError `keys/not-adopted`, `keys/revocation-forged`, `codec/*`, `signature/*`
   */
  acceptVoid(bytes: Uint8Array, teller?: 'mesh' | 'person'): boolean
  /** What this node itself verified before it was started again. @param as what it was; else judged anew */
  recallVoid(nodes: Iterable<NodeId>, as?: VoidTier | 'told'): void
  /** Void identities that are remembered. */
  readonly voids: VoidIdentities
  /** @throws AskeeError `keys/no-peer-key`, `keys/revoked`, `keys/identity-revoked` */
  current(node: NodeId, use: ChainUse): KeyBundle
  /** @throws AskeeError `keys/identity-revoked` */
  assertIdentity(node: NodeId): void
  /**
   * Calls back for every revocation that is news: keys of the use up to a sequence are void, for `signing` the node itself.
   * The returned function ends it.
   */
  onVoid(listener: (node: NodeId, use: KeyUse, sequence: number) => void): () => void
}

/** Nodes remembered; the one not heard of for longest makes room. */
const MAX_NODES = 10_000
/** Active, announced and one more, in case news arrive in another order. */
const MAX_BUNDLES = 4
/** A clock may differ by this much (facts: five minutes), as for envelopes. */
const CLOCK_SKEW = 5 * 60_000

interface Chain {
  bundles: KeyBundle[]
  /** Keys up to here are void. */
  revokedTo: number
  /** After this time they are expired anyway. */
  revokedUntil: number
}

type Peer = Map<ChainUse, Chain>

/**
 * @param maxNodes nodes remembered, and as many void identities of strangers
 * @param isKnown whether the owner let a node or its owner root in: their voids make room for no stranger's
 */
export function createPeerKeys(
  clock: Clock,
  maxNodes: number = MAX_NODES,
  isKnown: (id: NodeId) => boolean = () => false,
): PeerKeys {
  const peers = new Map<NodeId, Peer>()
  const voids = createVoidSet({ known: MAX_KNOWN_VOIDS, strangers: maxNodes })
  const listeners = new Set<(node: NodeId, use: KeyUse, sequence: number) => void>()

  const assertIdentity = (node: NodeId): void => {
    if (!voids.has(node)) return
    throw new AskeeError(
      'keys/identity-revoked',
      `${node} or its owner declared its identity void; nothing it signs counts`,
    )
  }
  const chainOf = (node: NodeId, use: ChainUse): Chain => {
    const peer: Peer = peers.get(node) ?? new Map()
    peers.delete(node)
    peers.set(node, peer)
    if (peers.size > maxNodes) peers.delete(oldest(peers, clock.now()))
    const chain = peer.get(use) ?? { bundles: [], revokedTo: 0, revokedUntil: 0 }
    peer.set(use, chain)
    return chain
  }

  const voidIdentity = (node: NodeId, as: VoidTier | 'told'): boolean => {
    peers.delete(node)
    return voids.add(node, as)
  }
  const tierOf = (node: NodeId, root?: NodeId): VoidTier =>
    isKnown(node) || (root !== undefined && isKnown(root)) ? 'known' : 'strangers'

  const takeRevocation = (node: NodeId, revocation: KeyRevocation): boolean => {
    if (revocation.use === 'signing') return voidIdentity(node, tierOf(node))
    const chain = chainOf(node, revocation.use)
    if (revocation.sequence <= chain.revokedTo) return false
    chain.revokedTo = revocation.sequence
    chain.revokedUntil = Math.max(chain.revokedUntil, revocation.until)
    chain.bundles = chain.bundles.filter(({ sequence }) => sequence > revocation.sequence)
    return true
  }
  const assertNotAhead = (at: Timestamp): void => {
    if (at <= clock.now() + CLOCK_SKEW) return
    throw new AskeeError(
      'keys/revocation-forged',
      `it is dated ${new Date(at).toISOString()}, in the future; if that is not so, set this machine's clock`,
    )
  }
  const tell = (node: NodeId, use: KeyUse, sequence: number): void => {
    for (const listener of listeners) listener(node, use, sequence)
  }

  return {
    assertIdentity,
    acceptBundle(bytes, from) {
      const { node, bundle } = verifyKeyBundle(bytes, from)
      assertIdentity(node)
      const now = clock.now()
      if (bundle.expires <= now) {
        throw new AskeeError('keys/bundle-expired', `the key ${bundle.kid} of ${node} expired`)
      }
      return takeBundle(chainOf(node, bundle.use), bundle, node, now)
    },
    acceptRevocation(bytes, from) {
      const { node, revocation } = verifyKeyRevocation(bytes, from)
      assertNotAhead(revocation.revokedAt)
      const isNews = takeRevocation(node, revocation)
      if (isNews) tell(node, revocation.use, revocation.sequence)
      return isNews
    },
    acceptVoid(bytes, teller = 'mesh') {
      const { node, root, at } = verifyIdentityVoid(bytes)
      assertNotAhead(at)
      const isNews = voidIdentity(node, teller === 'person' ? 'told' : tierOf(node, root))
      if (isNews) tell(node, 'signing', 0)
      return isNews
    },
    recallVoid(nodes, as) {
      for (const node of nodes) voidIdentity(node, as ?? tierOf(node))
    },
    voids,
    onVoid(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    current(node, use) {
      assertIdentity(node)
      const now = clock.now()
      const chain = peers.get(node)?.get(use)
      // A new node's first key is of the future for who is behind, and its owner opens with a key before its time as well.
      const usable =
        chain?.bundles.findLast((bundle) => isUsable(bundle, now)) ??
        chain?.bundles.find((bundle) => isUsable(bundle, now + CLOCK_SKEW))
      if (usable !== undefined) return usable
      if (chain !== undefined && chain.revokedTo > 0 && chain.bundles.length === 0) {
        throw new AskeeError('keys/revoked', `${node} revoked its key for ${use}; ask it for the new one`)
      }
      throw new AskeeError('keys/no-peer-key', `no key of ${node} for ${use} is known; ask it for one`)
    },
  }
}

function takeBundle(chain: Chain, bundle: KeyBundle, node: NodeId, now: number): boolean {
  if (bundle.sequence <= chain.revokedTo) {
    throw new AskeeError('keys/revoked', `${node} revoked the key ${bundle.kid}`)
  }
  const same = chain.bundles.find(({ sequence }) => sequence === bundle.sequence)
  if (same !== undefined) {
    const isKnown =
      same.kid === bundle.kid &&
      bytesEqual(same.publicKey, bundle.publicKey) &&
      same.notBefore === bundle.notBefore &&
      same.expires === bundle.expires
    if (isKnown) return false
    throw new AskeeError(
      'keys/bundle-conflict',
      `${node} signed two keys for ${bundle.use} with the sequence ${bundle.sequence}`,
    )
  }
  // An older key is news only while the newer ones that are known wait for their time.
  if (chain.bundles.some((held) => held.sequence > bundle.sequence && held.notBefore <= now)) {
    throw new AskeeError('keys/bundle-stale', `${node} has a newer key for ${bundle.use} than ${bundle.kid}`)
  }
  chain.bundles = [...chain.bundles, bundle].sort((a, b) => a.sequence - b.sequence).slice(-MAX_BUNDLES)
  return true
}

/** The node to forget: the one not heard of for longest whose revocations are over, else simply that one. */
function oldest(peers: Map<NodeId, Peer>, now: number): NodeId {
  for (const [node, peer] of peers) {
    if ([...peer.values()].every((chain) => chain.revokedUntil <= now)) return node
  }
  return first(peers.keys())
}

function first<T>(values: Iterable<T>): T {
  return values[Symbol.iterator]().next().value as T
}
