import {
  AskeeError,
  errorText,
  type Logger,
  type Milliseconds,
  type NodeId,
  type ProtocolLimits,
  type ProtocolName,
  type Startable,
  type Timers,
} from '@askee/core'
import type { KeyRing } from '../hierarchy/key-ring.ts'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import { FRAME_KINDS, parseFrame } from './frame.ts'
import {
  acceptSession,
  MAX_OPENING_BYTES,
  type OpeningComponents,
  openSession,
  SESSION_OPEN_PROTOCOL,
} from './opening.ts'
import type { Session } from './session.ts'
import { SESSION_LIMITS, type SessionLimits, SessionTable } from './table.ts'

/** Carries checkpoints where nothing else is said: from who opened the session, with those of the other side as answer. */
export const SESSION_CHECKPOINT_PROTOCOL: ProtocolName = '/askee/session/checkpoint/1'

/** More than any frame without a body: header, tags, names, a checkpoint and its leaves. */
export const FRAME_OVERHEAD_BYTES = 10_240

const OPEN_LIMITS: ProtocolLimits = {
  maxRequestBytes: MAX_OPENING_BYTES,
  maxResponseBytes: MAX_OPENING_BYTES,
  // Four public-key operations each. One an hour and conversation is usual; after a restart some at once.
  ratePerSecond: 1,
  burst: 20,
  concurrency: 4,
}
const CHECKPOINT_LIMITS: ProtocolLimits = {
  maxRequestBytes: FRAME_OVERHEAD_BYTES,
  maxResponseBytes: FRAME_OVERHEAD_BYTES,
  ratePerSecond: 1,
  burst: 20,
  concurrency: 4,
}
const SWEEP_PERIOD: Milliseconds = 10_000
/** From one attempt to renew a session to the next. */
const RENEW_RETRY: Milliseconds = 60_000
const FLUSH = { typ: SESSION_CHECKPOINT_PROTOCOL, kinds: [FRAME_KINDS.flush] }
const FLUSHED = { typ: SESSION_CHECKPOINT_PROTOCOL, kinds: [FRAME_KINDS.flushed] }
/** Of a round trip of an opening. Whoever waits for it has a deadline of their own. */
const OPEN_TIMEOUT: Milliseconds = 30_000

export interface ConversationRules {
  /** 1 to 50 of a–z, 0–9, dot, slash and hyphen. Critical where the rules of paranoid mode name its beginning. */
  readonly conv: string
  /** Messages that may overtake one. 0: strict order, for conversations in which order has a meaning. */
  readonly window: number
}

export interface SessionsComponents
  extends Omit<OpeningComponents, 'windowOf' | 'ages' | 'keyRing' | 'peerKeys'> {
  readonly keyRing: Pick<KeyRing, 'keys' | 'onDead'>
  readonly peerKeys: Pick<PeerKeys, 'current' | 'onVoid'>
  readonly timers: Timers
  readonly logger: Logger
  /** Whether this node has business with a peer: its sessions come before those of strangers. Cheap. Default: with nobody. */
  readonly isKnown?: (peer: NodeId) => boolean
}

export interface SessionsInit {
  readonly conversations: readonly ConversationRules[]
  readonly limits?: Partial<SessionLimits>
}

/** The sessions of a node. */
export interface Sessions extends Startable {
  /**
   * The session to send with; opened when there is none. While one is renewed the old one serves.
   * @throws AskeeError `session/refused`, and what sealing, opening and the mesh throw
   */
  to(peer: NodeId, conv: string, signal?: AbortSignal): Promise<Session>
  /**
   * The session of a frame that came from a peer.
   * @throws AskeeError `session/unknown`, `session/wrong-peer`
   */
  find(sid: string, from: NodeId): Session
  /** The other side knows nothing of it. */
  forget(session: Session, why: string): void
  /** Ends all of which the node may not say more in the mode that it is in. */
  endAll(why: string): void
  /** Sessions there are now. */
  readonly size: number
}

export function createSessions(components: SessionsComponents, init: SessionsInit): Sessions {
  return new KeptSessions(components, init)
}

class KeptSessions implements Sessions {
  readonly #components: SessionsComponents
  readonly #opening: OpeningComponents
  readonly #table: SessionTable
  /** One opening at a time for each peer and conversation. */
  readonly #pending = new Map<string, Promise<Session>>()
  readonly #renewAfter = new WeakMap<Session, Milliseconds>()
  readonly #cancels: (() => void)[] = []
  #stopped = new AbortController()

  constructor(components: SessionsComponents, init: SessionsInit) {
    this.#components = components
    const windows = new Map(init.conversations.map(({ conv, window }) => [conv, window]))
    const limits = { ...SESSION_LIMITS, ...init.limits }
    this.#opening = { ...components, windowOf: (conv) => windows.get(conv), ages: limits }
    this.#table = new SessionTable(limits, components.isKnown)
  }

  get size(): number {
    return this.#table.size
  }

  async start(): Promise<void> {
    const { mesh, timers, keyRing, peerKeys } = this.#components
    this.#stopped = new AbortController()
    this.#cancels.push(
      mesh.handle(SESSION_OPEN_PROTOCOL, OPEN_LIMITS, ({ from, body }) =>
        acceptSession(this.#opening, from, body, (session) => this.#add(session)),
      ),
      mesh.handle(SESSION_CHECKPOINT_PROTOCOL, CHECKPOINT_LIMITS, async ({ from, body }) =>
        this.#flushed(from, body),
      ),
      timers.every(SWEEP_PERIOD, () => this.#sweep()),
      keyRing.onDead((use, kid) => {
        this.#table.endWhere((session) => {
          const isHit =
            use === 'sealing' ? session.ownKid === kid : use === 'signing' || session.layers === 'double'
          return isHit ? 'own-key' : undefined
        })
      }),
      peerKeys.onVoid((node, use, sequence) => {
        this.#table.endWhere((session) => {
          if (session.peer !== node) return undefined
          const isHit =
            use === 'sealing'
              ? session.peerSequence <= sequence
              : use === 'signing' || session.layers === 'double'
          return isHit ? 'peer-key' : undefined
        })
      }),
    )
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#stopped.abort(new AskeeError('session/ended', 'the node stops'))
    this.endAll('stopped')
  }

  async to(peer: NodeId, conv: string, signal?: AbortSignal): Promise<Session> {
    const held = this.#table.current(peer, conv)
    if (held !== undefined && held.ended === undefined) {
      this.#renew(held)
      return held
    }
    return unlessAborted(this.#open(peer, conv), signal)
  }

  find(sid: string, from: NodeId): Session {
    const session = this.#table.find(sid)
    if (session === undefined) {
      throw new AskeeError('session/unknown', 'there is no such session here; open it again')
    }
    if (session.peer !== from) {
      throw new AskeeError('session/wrong-peer', `the session is with ${session.peer}, not with ${from}`)
    }
    return session
  }

  forget(session: Session, why: string): void {
    this.#table.remove(session, why)
  }

  endAll(why: string): void {
    this.#table.endWhere(() => why)
  }

  /** In the background, and not with every message when it does not succeed. */
  #renew(session: Session): void {
    const { clock } = this.#components
    const { peer, context } = session
    if (!session.wantsRenewal || clock.monotonic() < (this.#renewAfter.get(session) ?? 0)) return
    this.#renewAfter.set(session, clock.monotonic() + RENEW_RETRY)
    this.#open(peer, context.conv).catch((error: unknown) => this.#log(error, peer, context.conv))
  }

  #open(peer: NodeId, conv: string): Promise<Session> {
    const name = `${peer} ${conv}`
    const pending = this.#pending.get(name)
    if (pending !== undefined) return pending
    const options = { timeout: OPEN_TIMEOUT, signal: this.#stopped.signal }
    const opening = openSession(this.#opening, peer, conv, options)
      .then((session) => {
        this.#add(session)
        return session
      })
      .finally(() => this.#pending.delete(name))
    this.#pending.set(name, opening)
    return opening
  }

  /** What was opened before the mode changed is not kept. */
  #add(session: Session): void {
    if (this.#components.conversations().mode() === 'paranoid' && session.layers === 'single') {
      throw new AskeeError('paranoid/single-layer', 'this node takes messages of two layers only')
    }
    this.#table.add(session)
  }

  #sweep(): void {
    for (const session of this.#table.sweep()) this.#warn(session)
    for (const session of this.#table.all()) {
      if (session.role !== 'initiator' || !session.wantsFlush) continue
      this.#flush(session).catch((error: unknown) => this.#log(error, session.peer, session.context.conv))
    }
  }

  async #flush(session: Session): Promise<void> {
    const { mesh } = this.#components
    const { bytes } = session.seal(FRAME_KINDS.flush, SESSION_CHECKPOINT_PROTOCOL, new Uint8Array(0))
    const answer = parseFrame(
      await mesh.request(session.peer, SESSION_CHECKPOINT_PROTOCOL, bytes, {
        maxResponseBytes: FRAME_OVERHEAD_BYTES,
        signal: this.#stopped.signal,
      }),
    )
    session.accept(answer, session.decrypt(answer), FLUSHED)
  }

  #flushed(from: NodeId, body: Uint8Array): Uint8Array {
    const frame = parseFrame(body)
    const session = this.find(frame.sid, from)
    const { seq } = session.accept(frame, session.decrypt(frame), FLUSH)
    return session.seal(FRAME_KINDS.flushed, SESSION_CHECKPOINT_PROTOCOL, new Uint8Array(0), seq).bytes
  }

  /** Keys that are where they should be give no such end: somebody may have them who has not the peer's identity. */
  #warn({ peer, context, ended }: Session): void {
    if (ended?.startsWith('session/') !== true) return
    this.#components.logger.warn({ peer, conv: context.conv, why: ended }, 'what was said was not signed')
  }

  #log(error: unknown, peer: NodeId, conv: string): void {
    this.#components.logger.debug({ peer, conv, error: errorText(error) }, 'a session was not served')
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
