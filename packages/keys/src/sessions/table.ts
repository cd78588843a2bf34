import { AskeeError, type Milliseconds, type NodeId } from '@askee/core'
import type { SessionAges } from './opening.ts'
import type { Session } from './session.ts'

export interface SessionLimits extends SessionAges {
  /** Sessions that one peer may have opened here at once; the oldest makes room. */
  readonly acceptedPerPeer: number
  /** Of all peers together, opened or accepted. */
  readonly sessions: number
  /** What was not used for so long makes room for a new one when all places are taken. */
  readonly spareAfter: Milliseconds
  /** What was not used for so long ends. */
  readonly idleAfter: Milliseconds
}

export const SESSION_LIMITS: SessionLimits = {
  acceptedPerPeer: 8,
  sessions: 4096,
  spareAfter: 60_000,
  idleAfter: 600_000,
  renewAfter: 3_600_000,
  lifetime: 7_200_000,
}

/**
 * By who opened it: a stranger, a peer with whom this node has business, or this node. Names cost nothing, so strangers
 * together have a quarter of the places, and with the known ones three quarters.
 */
const RANKS = { stranger: 0, known: 1, own: 2 } as const
type Rank = (typeof RANKS)[keyof typeof RANKS]
/** The part of all places that sessions of this rank and those below it may have. */
const SHARES: Readonly<Record<Rank, number>> = { 0: 1 / 4, 1: 3 / 4, 2: 1 }
const ALL_RANKS: readonly Rank[] = Object.values(RANKS)

/** The sessions there are, within their limits. */
export class SessionTable {
  readonly #limits: SessionLimits
  readonly #isKnown: (peer: NodeId) => boolean
  readonly #bySid = new Map<string, Session>()
  readonly #accepted = new Map<NodeId, Session[]>()
  /** The one to send with, by peer and conversation. */
  readonly #current = new Map<string, Session>()

  /** @param isKnown whether this node has business with a peer; asked of every session when places are short */
  constructor(limits: SessionLimits, isKnown: (peer: NodeId) => boolean = () => false) {
    this.#limits = limits
    this.#isKnown = isKnown
  }

  get size(): number {
    return this.#bySid.size
  }

  /** @throws AskeeError `session/limit`, `session/hello` */
  add(session: Session): void {
    const { sid, conv } = session.context
    if (this.#bySid.has(sid)) throw new AskeeError('session/hello', 'there is such a session already')
    if (session.role === 'responder') {
      const own = this.#accepted.get(session.peer) ?? []
      if (own.length >= this.#limits.acceptedPerPeer) this.remove(own[0] as Session, 'too-many')
      this.#makeRoom(session)
      this.#accepted.set(session.peer, [...(this.#accepted.get(session.peer) ?? []), session])
    } else {
      this.#makeRoom(session)
      // The one before stays, for what is under way.
      this.#current.set(nameOf(session.peer, conv), session)
    }
    this.#bySid.set(sid, session)
  }

  find(sid: string): Session | undefined {
    return this.#bySid.get(sid)
  }

  current(peer: NodeId, conv: string): Session | undefined {
    return this.#current.get(nameOf(peer, conv))
  }

  all(): readonly Session[] {
    return [...this.#bySid.values()]
  }

  remove(session: Session, why: string): void {
    session.end(why)
    const { peer, context } = session
    if (!this.#bySid.delete(context.sid)) return
    if (session.role === 'responder') {
      const rest = (this.#accepted.get(peer) ?? []).filter((one) => one !== session)
      if (rest.length === 0) this.#accepted.delete(peer)
      else this.#accepted.set(peer, rest)
    }
    const name = nameOf(peer, context.conv)
    if (this.#current.get(name) === session) this.#current.delete(name)
  }

  /** Ends those for which `why` gives a reason, and says which. */
  endWhere(why: (session: Session) => string | undefined): readonly Session[] {
    return this.all().filter((session) => {
      const reason = why(session)
      if (reason !== undefined) this.remove(session, reason)
      return reason !== undefined
    })
  }

  /** Ends what nobody uses, and what its peer does not sign. */
  sweep(): readonly Session[] {
    const { idleAfter } = this.#limits
    return this.endWhere((session) => {
      if (session.ended !== undefined) return session.ended
      if (session.isUnsigned) return 'session/unsigned'
      return session.idle >= idleAfter ? 'idle' : undefined
    })
  }

  /** In each part of the places that the newcomer shares: strangers have one of their own inside that of all others. */
  #makeRoom(newcomer: Session): void {
    const rank = this.#rankOf(newcomer)
    for (const shared of ALL_RANKS) if (shared >= rank) this.#makeRoomAmong(shared, rank)
  }

  /**
   * Ends a session of those up to `shared` when their places are taken: the longest idle of strangers for who is none, else
   * one of no higher rank that is spare. Those in use are not ended for their like: whoever makes many names could end all
   * others' conversations.
   */
  #makeRoomAmong(shared: Rank, rank: Rank): void {
    const places = Math.max(1, Math.floor(this.#limits.sessions * SHARES[shared]))
    if (this.size < places) return
    const among = this.all().filter((session) => this.#rankOf(session) <= shared)
    if (among.length < places) return
    const spare = among.filter((session) => {
      const held = this.#rankOf(session)
      const isBelow = held === RANKS.stranger && rank > RANKS.stranger
      const isUnused = session.ended !== undefined || session.idle >= this.#limits.spareAfter
      return isBelow || (held <= rank && isUnused)
    })
    const [first] = spare.toSorted((a, b) => this.#rankOf(a) - this.#rankOf(b) || b.idle - a.idle)
    if (first === undefined) {
      throw new AskeeError('session/limit', 'too many conversations at once; try again in some minutes')
    }
    this.remove(first, 'too-many')
  }

  #rankOf({ role, peer }: Session): Rank {
    if (role === 'initiator') return RANKS.own
    return this.#isKnown(peer) ? RANKS.known : RANKS.stranger
  }
}

function nameOf(peer: NodeId, conv: string): string {
  return `${peer} ${conv}`
}
