import { AskeeError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import type {
  GossipMessage,
  GossipVerdict,
  ProtocolLimits,
  ProtocolName,
  RequestHandler,
  RequestOptions,
  TopicName,
  TopicRules,
} from '../ports/mesh.ts'
import { authorBucket } from '../ports/mesh.ts'
import type { MemoryFabric } from './memory-mesh.ts'

const DEFAULT_TIMEOUT_MS = 10_000
const DEFAULT_RESPONSE_BYTES = 1024 * 1024

interface Handled {
  readonly limits: ProtocolLimits
  readonly handler: RequestHandler
  /** Per peer: tokens left, when they were counted, and requests being answered. */
  readonly use: Map<NodeId, { tokens: number; at: number; running: number }>
}

interface Pending {
  readonly peer: NodeId
  fail(error: unknown): void
}

type Answer = { readonly body: Uint8Array } | { readonly error: AskeeError }

/** The request half of a memory node. */
export class MemoryRequests {
  readonly #self: NodeId
  readonly #fabric: MemoryFabric
  readonly #handlers = new Map<ProtocolName, Handled>()
  readonly #pending = new Set<Pending>()
  readonly #serving = new Map<AbortController, NodeId>()

  constructor(self: NodeId, fabric: MemoryFabric) {
    this.#self = self
    this.#fabric = fabric
  }

  handle(protocol: ProtocolName, limits: ProtocolLimits, handler: RequestHandler): () => void {
    if (this.#handlers.has(protocol)) throw new AskeeError('mesh/refused', `${protocol} is already handled`)
    const entry: Handled = { limits, handler, use: new Map() }
    this.#handlers.set(protocol, entry)
    return () => {
      if (this.#handlers.get(protocol) === entry) this.#handlers.delete(protocol)
    }
  }

  abortAll(reason: AskeeError): void {
    for (const pending of [...this.#pending]) pending.fail(reason)
    for (const controller of this.#serving.keys()) controller.abort(reason)
  }

  abortPeer(peer: NodeId, reason: AskeeError): void {
    for (const pending of [...this.#pending]) if (pending.peer === peer) pending.fail(reason)
    for (const [controller, from] of this.#serving) if (from === peer) controller.abort(reason)
  }

  async send(
    to: MemoryRequests,
    protocol: ProtocolName,
    body: Uint8Array,
    options: RequestOptions,
  ): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const deadline = new AbortController()
    const answer = Promise.withResolvers<Uint8Array>()
    const pending: Pending = { peer: to.#self, fail: answer.reject }
    const timeout = options.timeout ?? DEFAULT_TIMEOUT_MS
    const cancelTimer = this.#fabric.timers.after(timeout, () =>
      answer.reject(
        new AskeeError('mesh/timeout', `${to.#self} did not answer ${protocol} within ${timeout} ms`),
      ),
    )
    const onAbort = (): void => answer.reject(options.signal?.reason)
    options.signal?.addEventListener('abort', onAbort, { once: true })
    this.#pending.add(pending)
    this.#fabric.send(this.#self, to.#self, 'request', () => {
      void to.#answer(this.#self, protocol, body, deadline).then((result) => {
        this.#fabric.send(to.#self, this.#self, 'response', () => {
          if ('error' in result) answer.reject(result.error)
          else answer.resolve(Uint8Array.from(result.body))
        })
      })
    })
    try {
      const received = await answer.promise
      const limit = options.maxResponseBytes ?? DEFAULT_RESPONSE_BYTES
      if (received.byteLength > limit) throw sizeError('answer', limit, received.byteLength)
      return received
    } finally {
      cancelTimer()
      options.signal?.removeEventListener('abort', onAbort)
      this.#pending.delete(pending)
      deadline.abort(new AskeeError('mesh/timeout', 'the requester waits no longer'))
    }
  }

  /** Resolves when a message to `peer` and its answer would have arrived, or the peer is gone. */
  async roundTrip(peer: NodeId): Promise<void> {
    const done = Promise.withResolvers<void>()
    const pending: Pending = { peer, fail: () => done.resolve() }
    const cancelTimer = this.#fabric.timers.after(DEFAULT_TIMEOUT_MS, done.resolve)
    this.#pending.add(pending)
    this.#fabric.send(this.#self, peer, 'record', () =>
      this.#fabric.send(peer, this.#self, 'record', done.resolve),
    )
    await done.promise
    cancelTimer()
    this.#pending.delete(pending)
  }

  async #answer(
    from: NodeId,
    protocol: ProtocolName,
    body: Uint8Array,
    deadline: AbortController,
  ): Promise<Answer> {
    const entry = this.#handlers.get(protocol)
    if (entry === undefined) {
      return {
        error: new AskeeError('mesh/unsupported-protocol', `${this.#self} does not speak ${protocol}`),
      }
    }
    if (body.byteLength > entry.limits.maxRequestBytes) {
      return { error: sizeError('request', entry.limits.maxRequestBytes, body.byteLength) }
    }
    const use = this.#spend(entry, from)
    if (use === undefined)
      return { error: new AskeeError('mesh/rate-limited', `${this.#self} limits ${protocol}`) }
    use.running++
    this.#serving.set(deadline, from)
    try {
      const answer = await entry.handler({ from, body, signal: deadline.signal })
      const limit = entry.limits.maxResponseBytes
      return answer.byteLength > limit
        ? { error: sizeError('answer', limit, answer.byteLength) }
        : { body: answer }
    } catch (error) {
      const code = error instanceof AskeeError ? error.code : 'internal'
      return { error: new AskeeError('mesh/refused', `${this.#self} refused ${protocol}: ${code}`, { code }) }
    } finally {
      use.running--
      this.#serving.delete(deadline)
    }
  }

  #spend(entry: Handled, from: NodeId): { running: number } | undefined {
    const now = this.#fabric.clock.monotonic()
    const { burst, ratePerSecond, concurrency } = entry.limits
    const use = entry.use.get(from) ?? { tokens: burst, at: now, running: 0 }
    entry.use.set(from, use)
    use.tokens = Math.min(burst, use.tokens + ((now - use.at) / 1000) * ratePerSecond)
    use.at = now
    if (use.tokens < 1 || use.running >= concurrency) return undefined
    use.tokens--
    return use
  }
}

/** Messages that authors may still send, by topic and author. */
export class MemoryAuthors {
  readonly #fabric: MemoryFabric
  readonly #left = new Map<string, { tokens: number; at: number }>()

  constructor(fabric: MemoryFabric) {
    this.#fabric = fabric
  }

  /** Takes one of the author's messages, or says that there is none left. */
  take(topic: TopicName, rules: TopicRules, author: NodeId): boolean {
    const bucket = authorBucket(rules)
    if (bucket === undefined) return true
    const now = this.#fabric.clock.monotonic()
    const left = this.#left.get(`${topic} ${author}`) ?? { tokens: bucket.burst, at: now }
    this.#left.set(`${topic} ${author}`, left)
    left.tokens = Math.min(bucket.burst, left.tokens + ((now - left.at) / 1000) * bucket.perSecond)
    left.at = now
    if (left.tokens < 1) return false
    left.tokens--
    return true
  }
}

/** The verdict on a message; a throw is a rejection. */
export async function admit(rules: TopicRules, message: GossipMessage): Promise<GossipVerdict> {
  try {
    return await rules.validate(message)
  } catch {
    return 'reject'
  }
}

function sizeError(what: string, expected: number, received: number): AskeeError {
  return new AskeeError('mesh/too-large', `${what}: expected at most ${expected} bytes, received ${received}`)
}
