import {
  AskeeError,
  bytesEqual,
  type Clock,
  type Milliseconds,
  type NodeId,
  type Timestamp,
} from '@askee/core'
import type { Identity } from '../identity.ts'
import { MAX_CLOCK_SKEW } from '../sealing/envelope.ts'
import type { Layers } from '../sealing/sealer.ts'
import { type CoveredMessages, leafOf, rootOf, signCheckpoint, verifyCheckpoint } from './checkpoint.ts'
import { openLayers, sealingBytes, sealLayers } from './cipher.ts'
import { encodeContent, type FrameContent, readContent } from './content.ts'
import {
  type Direction,
  encodeFrameHeader,
  FRAME_KINDS,
  type Frame,
  type FrameKind,
  joinFrame,
} from './frame.ts'
import { ReceivedLedger, SentLedger, type Weight } from './ledgers.ts'
import { ReplayWindow } from './replay-window.ts'
import type { DirectionKeys, SessionContext } from './schedule.ts'

/** What a message may be refused for. */
export type SessionErrorCode =
  | 'session/malformed'
  | 'session/cut'
  | 'session/unknown'
  | 'session/wrong-peer'
  | 'session/ended'
  | 'session/direction'
  | 'session/kind'
  | 'session/unreadable'
  | 'session/replay'
  | 'session/reordered'
  | 'session/stale'
  | 'session/future'
  | 'session/expired'
  | 'session/type'
  | 'session/unsigned'
  | 'session/unacknowledged'
  | 'session/checkpoint-signature'
  | 'session/checkpoint-leaves'
  | 'session/checkpoint-other'
  | 'session/checkpoint-ahead'
  | 'session/checkpoint-gap'
  | 'session/checkpoint-mismatch'

/** Messages of one direction after which its keys are not used any more; far below the bounds of AES-GCM. */
const MAX_MESSAGES = 2 ** 20

export interface SessionInit {
  readonly context: SessionContext
  readonly role: 'initiator' | 'responder'
  readonly keys: Readonly<Record<Direction, DirectionKeys>>
  /** Of the peer's sealing key: a revocation names all up to a sequence. */
  readonly peerSequence: number
  /** Messages that may overtake one. 0: strict order. */
  readonly window: number
  /** At this age a new session should be opened; this one still carries what is under way. */
  readonly renewAfter: Milliseconds
  /** From this age on it opens and seals nothing, whether there is a new one or not. */
  readonly lifetime: Milliseconds
}

export interface OpenedFrame {
  readonly kind: FrameKind
  readonly seq: number
  readonly re: number
  readonly body: Uint8Array
}

/** What a message must be to be taken. */
export interface Expected {
  readonly typ: string
  readonly kinds: readonly FrameKind[]
}

/**
 * A conversation of two nodes under keys that both agreed on. Everything is authenticated by those keys at once; what was
 * said in a minute each side signs with its identity key as well, so that whoever stole the keys of the session alone is
 * found out, and the session ends.
 */
export class Session {
  readonly context: SessionContext
  readonly peer: NodeId
  readonly role: SessionInit['role']
  readonly #init: SessionInit
  readonly #identity: Identity
  readonly #clock: Clock
  readonly #sent = new SentLedger()
  readonly #received = new ReceivedLedger()
  readonly #window: ReplayWindow
  readonly #began: { readonly wall: Timestamp; readonly monotonic: Milliseconds }
  #seq = 0
  #usedAt: Milliseconds
  #ended: string | undefined

  constructor(init: SessionInit, identity: Identity, clock: Clock) {
    this.context = init.context
    this.role = init.role
    this.peer = init.role === 'initiator' ? init.context.responder : init.context.initiator
    this.#init = init
    this.#identity = identity
    this.#clock = clock
    this.#window = new ReplayWindow(init.window)
    this.#usedAt = clock.monotonic()
    this.#began = { wall: clock.now(), monotonic: this.#usedAt }
  }

  get peerSequence(): number {
    return this.#init.peerSequence
  }

  /** The own sealing key that its opening envelope was sealed to. */
  get ownKid(): string {
    return this.role === 'initiator' ? this.context.initiatorKid : this.context.responderKid
  }

  get layers(): Layers {
    return this.context.layers
  }

  /** Why it is over, or undefined. */
  get ended(): string | undefined {
    if (this.#age >= this.#init.lifetime) this.#ended ??= 'too-old'
    return this.#ended
  }

  /** For how long nothing was sent or received. */
  get idle(): Milliseconds {
    return this.#clock.monotonic() - this.#usedAt
  }

  get wantsRenewal(): boolean {
    return this.#age >= this.#init.renewAfter || this.#seq >= MAX_MESSAGES / 2
  }

  /** Whether a checkpoint of either side is due, and nothing under way would carry it. */
  get wantsFlush(): boolean {
    const at = this.#clock.monotonic()
    return this.#sent.isUnacknowledged(at) || this.#received.isDue(at)
  }

  /** Whether something was said in the other side's name that it does not sign. */
  get isUnsigned(): boolean {
    return this.#received.isOverdue(this.#clock.monotonic())
  }

  /** Nothing is opened or sealed from now on. */
  end(why: string): void {
    this.#ended ??= why
  }

  /**
   * Seals a message, with a checkpoint when one is due.
   * @param re of an answer: the sequence of its request
   * @throws AskeeError `session/ended`, `session/unacknowledged`
   */
  seal(
    kind: FrameKind,
    typ: string,
    body: Uint8Array,
    re = 0,
  ): { readonly seq: number; readonly bytes: Uint8Array } {
    this.#assertLives()
    if (this.#sent.isWorn || this.#seq >= MAX_MESSAGES) {
      this.end('unacknowledged')
      throw new AskeeError('session/unacknowledged', 'the other side takes no checkpoints; open it again')
    }
    const at = this.#clock.monotonic()
    const weight = weightOf(kind)
    const checkpoint = weight === 'carries' || this.#sent.isDue(at) ? this.#checkpoint() : undefined
    const content = encodeContent({ typ, checkpoint, body })
    const keys = this.#init.keys[this.#direction]
    const seq = ++this.#seq
    const header = encodeFrameHeader(
      {
        kind,
        direction: this.#direction,
        checkpoint: checkpoint !== undefined,
        sid: this.context.sid,
        seq,
        re,
        ts: this.#clock.now(),
        life: MAX_CLOCK_SKEW,
        acked: this.#received.coveredTo,
      },
      content.byteLength + sealingBytes(keys),
    )
    const bytes = joinFrame(header, sealLayers(keys, seq, header, content))
    this.#sent.add(leafOf(bytes), at, weight)
    this.#usedAt = at
    return { seq, bytes }
  }

  /**
   * What is sealed in a frame. What this throws is of nobody that is known: answer with a bare code at most.
   * @throws AskeeError `session/ended`, `session/direction`, `session/unreadable`
   */
  decrypt(frame: Frame): Uint8Array {
    this.#assertLives()
    if (frame.direction === this.#direction) {
      throw new AskeeError('session/direction', 'it goes the other way: it was sent by this side')
    }
    return openLayers(this.#init.keys[frame.direction], frame.seq, frame.header, frame.sealed)
  }

  /**
   * Takes a decrypted message, once. What this throws may be told to the other side.
   * @throws AskeeError with a SessionErrorCode; checkpoints that do not hold end the session
   */
  accept(frame: Frame, content: Uint8Array, { typ, kinds }: Expected): OpenedFrame {
    this.#window.claim(frame.seq)
    this.#checkTime(frame)
    const message = readContent(frame, content)
    const { kind, seq, re } = frame
    // One that only carries a checkpoint is never overdue: it must not pass for a request.
    if (!kinds.includes(kind)) throw new AskeeError('session/kind', `no kind ${kind} is taken here`)
    this.#sent.acknowledge(frame.acked)
    const at = this.#clock.monotonic()
    this.#orEnd(() => {
      this.#cover(message.checkpoint, seq)
      this.#received.add(seq, leafOf(frame.bytes), at, weightOf(kind))
    })
    this.#usedAt = at
    if (message.typ !== typ) throw new AskeeError('session/type', `expected ${typ}, received ${message.typ}`)
    return { kind, seq, re, body: message.body }
  }

  get #direction(): Direction {
    return this.role === 'initiator' ? 0 : 1
  }

  /**
   * By the clock that says more: one can be set back, the other stands still while the machine sleeps, and neither makes
   * stolen keys good for longer.
   */
  get #age(): Milliseconds {
    const { wall, monotonic } = this.#began
    return Math.max(this.#clock.monotonic() - monotonic, this.#clock.now() - wall)
  }

  #assertLives(): void {
    if (this.ended === undefined) return
    throw new AskeeError('session/ended', `the session is over (${this.#ended}); open it again`)
  }

  #checkTime({ ts, life }: Frame): void {
    const now = this.#clock.now()
    if (ts > now + MAX_CLOCK_SKEW) {
      throw new AskeeError('session/future', `it is dated ${ts - now} ms ahead; set the clocks`)
    }
    if (ts < now - MAX_CLOCK_SKEW) {
      throw new AskeeError('session/stale', `it is ${now - ts} ms old, at most ${MAX_CLOCK_SKEW} are taken`)
    }
    if (ts + life < now) throw new AskeeError('session/expired', 'it expired; send it again')
  }

  #checkpoint(): CoveredMessages | undefined {
    const next = this.#sent.next()
    if (next === undefined) return undefined
    const { first, last, leaves } = next
    const { sid, conv, handshake } = this.context
    const direction = this.#direction
    const at = this.#clock.now()
    const root = rootOf(leaves)
    const document = signCheckpoint(this.#identity, {
      sid,
      conv,
      to: this.peer,
      direction,
      handshake,
      first,
      last,
      root,
      at,
    })
    this.#sent.signed(last)
    return { document, leaves }
  }

  #cover(covered: FrameContent['checkpoint'], carriedBy: number): void {
    if (covered === undefined) return
    const checkpoint = verifyCheckpoint(covered, this.peer)
    const { sid, conv, handshake } = this.context
    if (
      checkpoint.sid !== sid ||
      checkpoint.conv !== conv ||
      checkpoint.to !== this.#identity.id ||
      checkpoint.direction === this.#direction ||
      !bytesEqual(checkpoint.handshake, handshake)
    ) {
      throw new AskeeError('session/checkpoint-other', 'the checkpoint is of another conversation')
    }
    if (checkpoint.last >= carriedBy) {
      // What is vouched for must be remembered until it comes: nobody may vouch for what was not said.
      throw new AskeeError('session/checkpoint-ahead', 'the checkpoint covers messages that come after it')
    }
    this.#received.cover(checkpoint, covered, this.#window.top - this.#init.window)
  }

  #orEnd(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.end(error instanceof AskeeError ? error.code : 'internal')
      throw error
    }
  }
}

function weightOf(kind: FrameKind): Weight {
  return kind === FRAME_KINDS.flush || kind === FRAME_KINDS.flushed ? 'carries' : 'waits'
}
