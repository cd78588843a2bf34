import { AskeeError, type NodeId, type Timestamp, toHex } from '@askee/core'
import type { EnvelopeHeader } from './envelope.ts'

export interface ReplayGuardLimits {
  /** Messages of one sender remembered at once; 16,384 in ten minutes are 27 a second. */
  readonly messagesPerSender: number
  /** Of all senders together: about 20 MB. */
  readonly messages: number
  readonly senders: number
  /** Conversations of one sender whose order is kept; the least recent one makes room. */
  readonly conversationsPerSender: number
}

const LIMITS: ReplayGuardLimits = {
  messagesPerSender: 16_384,
  messages: 131_072,
  senders: 10_000,
  conversationsPerSender: 256,
}

/**
 * Why a message cannot be one that the process before this one took. `by-clock`: it was made after this one started.
 * `by-exchange`: it answers something of this process, or is worth nothing without the answer of this process, as the
 * two envelopes that open a session.
 */
export type Freshness = 'by-clock' | 'by-exchange'

interface Sender {
  /** Message → when it may be forgotten. */
  readonly messages: Map<string, Timestamp>
  /** Conversation → highest sequence. */
  readonly conversations: Map<string, number>
  /** No message is due to be forgotten before. */
  nextSweep: Timestamp
}

/**
 * Remembers every message until it would be refused for its age, within a bound, and keeps the order of conversations.
 * A message that was forgotten is never taken again, even when the clock goes back: what is at most as old as what was
 * forgotten is refused. When memory is full new messages are refused, not old ones forgotten.
 */
export class ReplayGuard {
  readonly #limits: ReplayGuardLimits
  readonly #senders = new Map<NodeId, Sender>()
  readonly #startedAt: Timestamp
  #messages = 0
  #forgottenTo: Timestamp = 0

  /** @param startedAt what was made before is refused: it may have been taken by the process before this one */
  constructor(startedAt: Timestamp, limits: Partial<ReplayGuardLimits> = {}) {
    this.#startedAt = startedAt
    this.#limits = { ...LIMITS, ...limits }
  }

  /** Messages remembered now. */
  get size(): number {
    return this.#messages
  }

  /**
   * Takes a message, once and in order. Call it for authentic messages only, and without waiting between the checks.
   * @throws AskeeError `envelope/replay`, `envelope/reordered`, `envelope/before-start`, `envelope/replay-memory`
   */
  claim(header: EnvelopeHeader, now: Timestamp, freshness: Freshness = 'by-clock'): void {
    if (freshness === 'by-clock' && header.ts < this.#startedAt) {
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
    this.#remember(sender ?? this.#newSender(header.from, now), header, mid, now)
  }

  #remember(sender: Sender, header: EnvelopeHeader, mid: string, now: Timestamp): void {
    this.#sweep(sender, now)
    if (this.#messages >= this.#limits.messages) this.#sweepAll(now)
    const { messages, conversations } = sender
    if (messages.size >= this.#limits.messagesPerSender || this.#messages >= this.#limits.messages) {
      throw new AskeeError(
        'envelope/replay-memory',
        'too many messages at once; send it again in some minutes',
      )
    }
    messages.set(mid, header.exp)
    this.#messages += 1
    sender.nextSweep = Math.min(sender.nextSweep, header.exp)
    conversations.delete(header.conv)
    conversations.set(header.conv, header.seq)
    if (conversations.size > this.#limits.conversationsPerSender) {
      conversations.delete(conversations.keys().next().value as string)
    }
  }

  #newSender(from: NodeId, now: Timestamp): Sender {
    if (this.#senders.size >= this.#limits.senders) {
      this.#sweepAll(now)
      for (const [id, { messages }] of this.#senders) {
        if (this.#senders.size < this.#limits.senders) break
        if (messages.size === 0) this.#senders.delete(id)
      }
    }
    if (this.#senders.size >= this.#limits.senders) {
      throw new AskeeError(
        'envelope/replay-memory',
        'too many senders at once; send it again in some minutes',
      )
    }
    const sender: Sender = {
      messages: new Map(),
      conversations: new Map(),
      nextSweep: Number.POSITIVE_INFINITY,
    }
    this.#senders.set(from, sender)
    return sender
  }

  #sweepAll(now: Timestamp): void {
    for (const sender of this.#senders.values()) this.#sweep(sender, now)
  }

  #sweep(sender: Sender, now: Timestamp): void {
    if (now < sender.nextSweep) return
    sender.nextSweep = Number.POSITIVE_INFINITY
    for (const [mid, exp] of sender.messages) {
      if (exp < now) {
        sender.messages.delete(mid)
        this.#messages -= 1
        this.#forgottenTo = Math.max(this.#forgottenTo, exp)
      } else sender.nextSweep = Math.min(sender.nextSweep, exp + 1)
    }
  }
}
