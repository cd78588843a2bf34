import {
  AskeeError,
  type Clock,
  errorText,
  type Logger,
  type NodeId,
  type ProtocolLimits,
  type ProtocolName,
  type RequestHandler,
} from '@askee/core'
import { OFFENCE_OVER_RATE } from '../defaults.ts'
import { ProtocolUse } from '../limits.ts'
import type { Offences } from '../offences.ts'

export type Answer =
  | { readonly body: Uint8Array }
  | { readonly origin: 'mesh' | 'handler'; readonly code: string }

interface Handled {
  readonly limits: ProtocolLimits
  readonly handler: RequestHandler
  readonly use: ProtocolUse
}

/** The protocols that this node answers, each within its limits. */
export class Serving {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #offences: Offences
  readonly #handlers = new Map<string, Handled>()

  constructor(clock: Clock, logger: Logger, offences: Offences) {
    this.#clock = clock
    this.#logger = logger
    this.#offences = offences
  }

  /** @throws AskeeError `mesh/refused` when the protocol is handled already */
  handle(protocol: ProtocolName, limits: ProtocolLimits, handler: RequestHandler): () => void {
    if (this.#handlers.has(protocol)) throw new AskeeError('mesh/refused', `${protocol} is already handled`)
    const entry: Handled = { limits, handler, use: new ProtocolUse(limits, this.#clock) }
    this.#handlers.set(protocol, entry)
    return () => {
      if (this.#handlers.get(protocol) === entry) this.#handlers.delete(protocol)
    }
  }

  /** Why a request cannot be taken, known before its body is read; undefined: it can. */
  refusal(protocol: string, bodyBytes: number): Answer | undefined {
    const entry = this.#handlers.get(protocol)
    if (entry === undefined) return meshRefusal('mesh/unsupported-protocol')
    return bodyBytes > entry.limits.maxRequestBytes ? meshRefusal('mesh/too-large') : undefined
  }

  /** Answers within the limits; never throws. */
  async answer(
    from: NodeId,
    protocol: string,
    body: Uint8Array,
    maxResponseBytes: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const refused = this.refusal(protocol, body.byteLength)
    if (refused !== undefined) return refused
    const entry = this.#handlers.get(protocol) as Handled
    const leave = entry.use.enter(from)
    if (leave === undefined) {
      this.#offences.note(from, OFFENCE_OVER_RATE, `more ${protocol} than allowed`)
      return meshRefusal('mesh/rate-limited')
    }
    try {
      const answer = await entry.handler({ from, body, signal })
      const limit = Math.min(entry.limits.maxResponseBytes, maxResponseBytes)
      return answer.byteLength > limit ? meshRefusal('mesh/too-large') : { body: answer }
    } catch (error) {
      // The code alone: texts name files and values of this machine.
      if (error instanceof AskeeError) return { origin: 'handler', code: error.code }
      this.#logger.error({ protocol, error: errorText(error) }, 'a request handler failed')
      return { origin: 'handler', code: 'internal' }
    } finally {
      leave()
    }
  }
}

export function meshRefusal(code: string): Answer {
  return { origin: 'mesh', code }
}
