import type { NodeId } from '@askee/core'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromCID, peerIdFromString } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { MAX_REMEMBERED_PEERS } from './defaults.ts'

export const PEERS_PREFIX = '/peers/'

/** Why a peer is worth remembering. */
export interface PeerMerit {
  /** Asked for by address. */
  readonly kept: boolean
  /** When this node last reached it by dialling (ms since 1970); 0: never. */
  readonly reached: number
}

const NO_MERIT: PeerMerit = { kept: false, reached: 0 }

/**
 * The merits of all peers in the peer store, by the names of their entries. Whoever merely says that it exists has none,
 * so a flood of new names displaces nothing but itself.
 */
export class KnownPeers {
  readonly #self: string
  readonly #merits = new Map<string, PeerMerit>()

  constructor(self: NodeId) {
    this.#self = entryOf(peerIdFromString(self))
  }

  /** Notes an entry. @returns the entry of least merit, when there are too many now */
  add(entry: string): string | undefined {
    if (entry === this.#self || this.#merits.has(entry)) return undefined
    this.#merits.set(entry, NO_MERIT)
    if (this.#merits.size <= MAX_REMEMBERED_PEERS) return undefined
    const weakest = this.#weakest(entry)
    this.#merits.delete(weakest)
    return weakest
  }

  forget(entry: string): void {
    this.#merits.delete(entry)
  }

  /** The peer must have an entry, here and below. */
  keep(peer: PeerId): void {
    this.#raise(entryOf(peer), { kept: true })
  }

  /** @param now ms since 1970 */
  reached(peer: PeerId, now: number): void {
    this.#raise(entryOf(peer), { reached: now })
  }

  merit(entry: string): PeerMerit {
    return this.#merits.get(entry) ?? NO_MERIT
  }

  restore(entry: string, merit: PeerMerit): void {
    this.#raise(entry, merit)
  }

  /** Entries of peers asked for by address, of those reached before and of those only heard of. */
  entries(): { kept: string[]; reached: string[]; heardOf: string[] } {
    const lists = { kept: [] as string[], reached: [] as string[], heardOf: [] as string[] }
    for (const [entry, { kept, reached }] of this.#merits) {
      const list = kept ? lists.kept : reached > 0 ? lists.reached : lists.heardOf
      list.push(entry)
    }
    return lists
  }

  #raise(entry: string, change: Partial<PeerMerit>): void {
    const held = this.#merits.get(entry)
    if (held !== undefined) this.#merits.set(entry, { ...held, ...change })
  }

  /** The oldest of those with least merit, other than the newcomer. */
  #weakest(newcomer: string): string {
    let weakest = newcomer
    let least: PeerMerit = { kept: true, reached: Number.POSITIVE_INFINITY }
    for (const [entry, merit] of this.#merits) {
      if (entry !== newcomer && isLess(merit, least)) [weakest, least] = [entry, merit]
    }
    return weakest
  }
}

/** Where the peer store keeps a peer. */
export function entryOf(peer: PeerId): string {
  return `${PEERS_PREFIX}${peer.toCID()}`
}

/** Whose entry it is; costs a decoding. */
export function peerOf(entry: string): PeerId {
  return peerIdFromCID(CID.parse(entry.slice(PEERS_PREFIX.length)))
}

function isLess(a: PeerMerit, b: PeerMerit): boolean {
  return a.kept === b.kept ? a.reached < b.reached : b.kept
}
