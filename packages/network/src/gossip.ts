import {
  AskeeError,
  authorBucket,
  type Clock,
  errorText,
  type GossipMessage,
  type GossipVerdict,
  type Logger,
  type NodeId,
  type TopicName,
  type TopicRules,
} from '@askee/core'
import type { GossipSub, GossipsubMessage, Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { MAX_GOSSIP_BYTES } from './defaults.ts'
import { TokenBuckets } from './limits.ts'

/** What gossipsub's implementation offers beyond its interface. */
type GossipSubInside = GossipSub & {
  getScore(peer: string): number
  reportMessageValidationResult(id: string, source: string, result: TopicValidatorResult): void
}

/** Topics between this node and others. */
export class Gossip {
  readonly #topics: ReadonlyMap<TopicName, TopicRules>
  readonly #logger: Logger
  readonly #self: NodeId
  readonly #listeners = new Map<TopicName, Set<(message: GossipMessage) => void>>()
  readonly #authors = new Map<TopicName, TokenBuckets>()
  #pubsub: GossipSubInside | undefined

  constructor(self: NodeId, topics: ReadonlyMap<TopicName, TopicRules>, clock: Clock, logger: Logger) {
    this.#self = self
    this.#topics = topics
    this.#logger = logger
    for (const [topic, rules] of topics) {
      const { maxBytes } = rules
      const bucket = authorBucket(rules)
      if (bucket !== undefined) this.#authors.set(topic, new TokenBuckets(bucket, clock))
      if (maxBytes > MAX_GOSSIP_BYTES) {
        throw new AskeeError(
          'mesh/too-large',
          `${topic}: expected messages of at most ${MAX_GOSSIP_BYTES} bytes, the rules allow ${maxBytes}`,
        )
      }
    }
  }

  /** Joins every declared topic, listened to or not: who declares a topic also relays it. */
  start(pubsub: GossipSub): void {
    this.#pubsub = pubsub as GossipSubInside
    pubsub.addEventListener('gossipsub:message', (event) => void this.#receive(event.detail))
    for (const topic of this.#topics.keys()) pubsub.subscribe(topic)
  }

  stop(): void {
    this.#pubsub = undefined
  }

  score(peer: NodeId): number {
    return this.#pubsub?.getScore(peer) ?? 0
  }

  subscribe(topic: TopicName, listener: (message: GossipMessage) => void): () => void {
    this.#rules(topic)
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  async publish(topic: TopicName, body: Uint8Array): Promise<void> {
    const rules = this.#rules(topic)
    if (body.byteLength > rules.maxBytes) {
      throw new AskeeError(
        'mesh/too-large',
        `expected at most ${rules.maxBytes} bytes, received ${body.byteLength}`,
      )
    }
    const message: GossipMessage = { from: this.#self, body: Uint8Array.from(body) }
    if (!this.#isInRate(topic, this.#self)) {
      throw new AskeeError('mesh/rate-limited', `the rules of ${topic} allow no more messages now`)
    }
    const verdict = await judge(rules, message)
    if (verdict === 'reject') {
      throw new AskeeError('mesh/refused', `the rules of ${topic} refuse this message`)
    }
    if (verdict === 'ignore') return
    await this.#pubsub?.publish(topic, message.body)
    this.#deliver(topic, message)
  }

  async #receive({ msg, msgId, propagationSource }: GossipsubMessage): Promise<void> {
    const topic = msg.topic as TopicName
    const verdict = await this.#verdict(topic, msg)
    this.#pubsub?.reportMessageValidationResult(
      msgId,
      propagationSource.toString(),
      verdict as TopicValidatorResult,
    )
    if (verdict === 'accept' && msg.type === 'signed') {
      this.#deliver(topic, { from: msg.from.toString() as NodeId, body: new Uint8Array(msg.data) })
    }
  }

  async #verdict(topic: TopicName, msg: Message): Promise<GossipVerdict> {
    const rules = this.#topics.get(topic)
    if (rules === undefined || msg.type !== 'signed') return 'reject'
    if (msg.data.byteLength > rules.maxBytes) return 'reject'
    const from = msg.from.toString() as NodeId
    // Not the fault of who brings it: it may be the first that came that way.
    if (!this.#isInRate(topic, from)) return 'ignore'
    return judge(rules, { from, body: new Uint8Array(msg.data) })
  }

  #isInRate(topic: TopicName, author: NodeId): boolean {
    return this.#authors.get(topic)?.take(author) ?? true
  }

  #deliver(topic: TopicName, message: GossipMessage): void {
    for (const listener of this.#listeners.get(topic) ?? []) {
      try {
        listener(message)
      } catch (error) {
        this.#logger.error({ topic, error: errorText(error) }, 'a topic listener failed')
      }
    }
  }

  #rules(topic: TopicName): TopicRules {
    const rules = this.#topics.get(topic)
    if (rules === undefined) throw new AskeeError('mesh/unknown-topic', `${topic} was not declared`)
    return rules
  }
}

/** gossipsub takes a throw for "ignore"; to us it is a rejection. */
async function judge(rules: TopicRules, message: GossipMessage): Promise<GossipVerdict> {
  try {
    return await rules.validate(message)
  } catch {
    return 'reject'
  }
}
