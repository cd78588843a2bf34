import { AskeeError, type Milliseconds, type NodeId } from '@askee/core'
import type { Session } from './session.ts'

export interface SessionLimits {
  /** Sessions that one peer may have opened here at once; the oldest makes room. */
  readonly acceptedPerPeer: number
  /**
   * Of all peers together, opened or accepted. Some 10 KB each; 130 KB where the peer holds its checkpoints back, which
   * ends the session after three minutes.
   */
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
}

/** The sessions there are, within their limits. */
export class SessionTable {
  readonly #limits: SessionLimits
  readonly #bySid = new Map<string, Session>()
  readonly #accepted = new Map<NodeId, Session[]>()
  /** The one to send with, by peer and conversation. */
  readonly #current = new Map<string, Session>()

  constructor(limits: SessionLimits) {
    this.#limits = limits
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
      this.#makeRoom()
      this.#accepted.set(session.peer, [...(this.#accepted.get(session.peer) ?? []), session])
    } else {
      this.#makeRoom()
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

  /** Ends those for which `why` gives a reason. */
  endWhere(why: (session: Session) => string | undefined): void {
    for (const session of this.all()) {
      const reason = why(session)
      if (reason !== undefined) this.remove(session, reason)
    }
  }

  /** Ends what nobody uses. */
  sweep(): void {
    const { idleAfter } = this.#limits
    this.endWhere((session) => {
      if (session.ended !== undefined) return session.ended
      if (session.isUnattributed) return 'unattributed'
      return session.idle >= idleAfter ? 'idle' : undefined
    })
  }

  #makeRoom(): void {
    if (this.#bySid.size < this.#limits.sessions) return
    this.sweep()
    if (this.#bySid.size < this.#limits.sessions) return
    const [longest] = this.all().toSorted((a, b) => b.idle - a.idle)
    // Those in use are not ended for a stranger: whoever makes many names could end all others' conversations.
    if (longest === undefined || longest.idle < this.#limits.spareAfter) {
      throw new AskeeError('session/limit', 'too many conversations at once; try again in some minutes')
    }
    this.remove(longest, 'too-many')
  }
}

function nameOf(peer: NodeId, conv: string): string {
  return `${peer} ${conv}`
}
