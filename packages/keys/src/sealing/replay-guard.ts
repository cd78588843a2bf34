import { AskeeError, type NodeId, type Timestamp, toHex } from '@askee/core'
import { type EnvelopeHeader, MAX_CLOCK_SKEW } from './envelope.ts'

export interface ReplayGuardLimits {
  readonly senders: number
  /** Messages of all senders remembered at once; some 150 bytes each. */
  readonly messages: number
  readonly messagesPerSender: number
  /** Conversations of one sender whose order is kept; the least recent one makes room. */
  readonly conversationsPerSender: number
}

const LIMITS: ReplayGuardLimits = {
  senders: 8192,
  messages: 131_072,
  // 27 a second in ten minutes.
  messagesPerSender: 16_384,
  conversationsPerSender: 256,
}

/** From one look through all senders to the next. */
const SWEEP_PERIOD = 1000

interface Sender {
  /** Message → when it may be forgotten. */
  readonly messages: Map<string, Timestamp>
  /** Conversation → highest sequence. */
  readonly conversations: Map<string, number>
  /** Nothing is due to be forgotten before. */
  nextSweep: Timestamp
  /** From then on all that was said before the newest message is refused for its age, so that its order is kept by itself. */
  orderedUntil: Timestamp
}

/**
 * Remembers every message until it would be refused for its age, within a bound, and keeps the order of conversations.
 * A message that was forgotten is never taken again, even when the clock goes back: what is at most as old as what was
 * forgotten is refused. When memory is full new messages are refused, not old ones forgotten: eight senders can fill it, and
 * names cost nothing. What must be heard in a flood goes through a session.
 */
export class ReplayGuard {
  readonly #limits: ReplayGuardLimits
  readonly #senders = new Map<NodeId, Sender>()
  readonly #startedAt: Timestamp
  #size = 0
  #forgottenTo: Timestamp = 0
  #sweptAt: Timestamp = 0

  /** @param startedAt what was made before is refused: it may have been taken by the process before this one */
  constructor(startedAt: Timestamp, limits: Partial<ReplayGuardLimits> = {}) {
    this.#startedAt = startedAt
    this.#limits = { ...LIMITS, ...limits }
  }

  /** Messages remembered now. */
  get size(): number {
    return this.#size
  }

  /**
   * Takes a message, once and in order. Call it for authentic messages only, and without waiting between the checks.
   * @throws AskeeError `envelope/replay`, `envelope/reordered`, `envelope/before-start`, `envelope/replay-memory`
   */
  claim(header: EnvelopeHeader, now: Timestamp): void {
    if (header.ts < this.#startedAt) {
      throw new AskeeError('envelope/before-start', 'it was made before this node started; send it again')
    }
    if (header.exp <= this.#forgottenTo) {
      throw new AskeeError('envelope/replay', 'it is as old as messages that are forgotten already')
    }
    const sender = this.#senders.get(header.from)
    const mid = toHex(header.mid)
    if (sender?.messages.has(mid)) throw new AskeeError('envelope/replay', `the message ${mid} came before`)
    const last = sender?.conversations.get(header.conv) ?? 0
    if (header.seq <= last) {
      throw new AskeeError(
        'envelope/reordered',
        `expected a sequence above ${last} in ${header.conv}, received ${header.seq}`,
      )
    }
    this.#makeRoom(header.from, now)
    this.#remember(this.#senderOf(header.from), header, mid, now)
  }

  #makeRoom(from: NodeId, now: Timestamp): void {
    const limits = this.#limits
    const isFull = (): boolean =>
      this.#size >= limits.messages || (!this.#senders.has(from) && this.#senders.size >= limits.senders)
    this.#sweep(from, now)
    if (isFull()) this.#sweepAll(now)
    const own = this.#senders.get(from)?.messages.size ?? 0
    if (!isFull() && own < limits.messagesPerSender) return
    throw new AskeeError('envelope/replay-memory', 'too many messages at once; send it again in some minutes')
  }

  #senderOf(from: NodeId): Sender {
    const sender: Sender = this.#senders.get(from) ?? {
      messages: new Map(),
      conversations: new Map(),
      nextSweep: Number.POSITIVE_INFINITY,
      orderedUntil: 0,
    }
    this.#senders.set(from, sender)
    return sender
  }

  #remember(sender: Sender, header: EnvelopeHeader, mid: string, now: Timestamp): void {
    const { messages, conversations } = sender
    messages.set(mid, header.exp)
    this.#size += 1
    sender.nextSweep = Math.min(sender.nextSweep, header.exp)
    sender.orderedUntil = Math.max(sender.orderedUntil, now + 2 * MAX_CLOCK_SKEW)
    conversations.delete(header.conv)
    conversations.set(header.conv, header.seq)
    if (conversations.size > this.#limits.conversationsPerSender) {
      conversations.delete(conversations.keys().next().value as string)
    }
  }

  /** Not with every message of who fills the memory. */
  #sweepAll(now: Timestamp): void {
    if (Math.abs(now - this.#sweptAt) < SWEEP_PERIOD) return
    this.#sweptAt = now
    for (const id of this.#senders.keys()) this.#sweep(id, now)
  }

  #sweep(from: NodeId, now: Timestamp): void {
    const sender = this.#senders.get(from)
    if (sender === undefined || now < sender.nextSweep) return
    sender.nextSweep = Number.POSITIVE_INFINITY
    for (const [mid, exp] of sender.messages) {
      if (exp < now) {
        sender.messages.delete(mid)
        this.#size -= 1
        this.#forgottenTo = Math.max(this.#forgottenTo, exp)
      } else sender.nextSweep = Math.min(sender.nextSweep, exp + 1)
    }
    if (sender.messages.size > 0) return
    if (now < sender.orderedUntil) {
      sender.nextSweep = sender.orderedUntil
      return
    }
    this.#senders.delete(from)
  }
}
