import { decode, encode, errorText, type Logger, type Mesh, type NodeId, type Startable } from '@askee/core'
import type { Standing } from '../own/standing.ts'
import { KEPT_PROTOCOL, keptAnswerSchema, MAX_WITNESS_BYTES } from './protocol.ts'

/** Longer than any honest answer takes; who is slower is not waited for. */
const TIMEOUT_MS = 5_000
/** Witnesses asked at once by whoever verifies; one that kept a note is enough to find a log that was written anew. */
const ASKED = 8

/** What a connected node keeps of this node's logs. */
export interface KeptNotes {
  readonly witness: NodeId
  readonly notes: readonly string[]
}

export interface InquiryComponents {
  readonly mesh: Mesh
  readonly standing: Standing
  readonly logger: Logger
}

/**
 * Asks every node that connects what it keeps of this node's logs, before it is shown anything: a whole data directory put back
 * to an older state is found by nobody else (STO-1).
 */
export interface Inquiry extends Startable {
  /** Somebody has answered, or not in time, since the start: until then nobody knows how old this state is. */
  isAnswered(): boolean
  /** @returns whether nothing that the peer keeps contradicts what is here; false when it did not answer */
  ask(peer: NodeId, signal?: AbortSignal): Promise<boolean>
  /** What connected nodes keep, judged. Those that keep nothing are left out. */
  askAll(signal?: AbortSignal): Promise<KeptNotes[]>
}

export function createInquiry(components: InquiryComponents): Inquiry {
  return new KeptInquiry(components)
}

class KeptInquiry implements Inquiry {
  readonly #components: InquiryComponents
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  #unlisten = (): void => {}
  #answered = false

  constructor(components: InquiryComponents) {
    this.#components = components
  }

  async start(): Promise<void> {
    const { mesh, standing } = this.#components
    standing.checkOwn()
    this.#unlisten = mesh.onPeer((peer, state) => {
      if (state === 'connected') this.#track(this.ask(peer))
    })
    for (const peer of mesh.peers()) this.#track(this.ask(peer))
  }

  async stop(): Promise<void> {
    this.#unlisten()
    this.#stopping.abort()
    await Promise.all(this.#running)
  }

  isAnswered(): boolean {
    return this.#answered
  }

  async ask(peer: NodeId, signal?: AbortSignal): Promise<boolean> {
    const kept = await this.#fetch(peer, signal)
    this.#answered = true
    return kept !== undefined && this.#fits({ witness: peer, notes: kept })
  }

  async askAll(signal?: AbortSignal): Promise<KeptNotes[]> {
    const peers = this.#components.mesh.peers().slice(0, ASKED)
    const answers = await Promise.all(
      peers.map(async (witness) => ({ witness, notes: (await this.#fetch(witness, signal)) ?? [] })),
    )
    const kept = answers.filter(({ notes }) => notes.length > 0)
    for (const answer of kept) this.#fits(answer)
    return kept
  }

  #fits({ witness, notes }: KeptNotes): boolean {
    const { standing, logger } = this.#components
    let fits = true
    for (const note of notes) {
      try {
        // Each, so that every alarm is known.
        fits = standing.judge(note, witness) && fits
      } catch (error) {
        // Another's log, or nothing that can be read, says nothing of this one.
        logger.debug({ peer: witness, error: errorText(error) }, 'a witness showed what is no checkpoint')
        fits = false
      }
    }
    return fits
  }

  async #fetch(peer: NodeId, signal: AbortSignal | undefined): Promise<string[] | undefined> {
    const { mesh, logger } = this.#components
    const stopping = this.#stopping.signal
    try {
      const bytes = await mesh.request(peer, KEPT_PROTOCOL, encode({ v: 1 }), {
        maxResponseBytes: MAX_WITNESS_BYTES,
        timeout: TIMEOUT_MS,
        signal: signal === undefined ? stopping : AbortSignal.any([signal, stopping]),
      })
      return decode(bytes, keptAnswerSchema, MAX_WITNESS_BYTES).notes
    } catch (error) {
      logger.debug({ peer, error: errorText(error) }, 'a witness did not show what it keeps')
      return undefined
    }
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }
}
