import {
  decode,
  encode,
  errorCode,
  errorText,
  type Logger,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type Startable,
  type Timers,
} from '@askee/core'
import type { Standing } from '../own/standing.ts'
import { KEPT_PROTOCOL, keptAnswerSchema, MAX_WITNESS_BYTES } from './protocol.ts'

/** Longer than any honest answer takes; who is slower is not waited for. */
const TIMEOUT_MS = 5_000
/** A node that has only just started may not be ready to answer: asked so often, so far apart. */
const ATTEMPTS = 3
const RETRY_MS = 2_000
/** Witnesses asked at once by whoever verifies; one that kept a note is enough to find a log that was written anew. */
const ASKED = 8

/** What is wrong with a note itself: it is none of this node's. */
const SAYS_NOTHING: ReadonlySet<string> = new Set(['audit/checkpoint', 'audit/signature', 'audit/origin'])

/** What a connected node keeps of this node's logs. */
export interface KeptNotes {
  readonly witness: NodeId
  readonly notes: readonly string[]
}

/** What came of asking all. */
export interface Answers {
  /** Nodes that were asked. */
  readonly asked: number
  /** Of these, how many answered at all. */
  readonly answered: number
  /** Those that keep something. */
  readonly kept: readonly KeptNotes[]
}

export interface InquiryComponents {
  readonly mesh: Mesh
  readonly standing: Standing
  readonly timers: Timers
  readonly logger: Logger
}

export interface InquiryInit {
  readonly retryPeriod?: Milliseconds
}

/**
 * Asks every node that connects what it keeps of this node's logs, before it is shown anything: a whole data directory put back
 * to an older state is found by nobody else (STO-1).
 */
export interface Inquiry extends Startable {
  /**
   * Somebody has answered since the start, or did not in all attempts: until then nobody can know how old this state is. While
   * no node is connected it stays false, and no work comes either.
   */
  isAnswered(): boolean
  /**
   * @returns whether nothing that the peer keeps contradicts what is here; false when it did not answer
   * @throws when it cannot be compared, for the disk for instance: that is no answer, and the peer is asked again
   */
  ask(peer: NodeId, signal?: AbortSignal): Promise<boolean>
  /** What connected nodes keep, judged. @throws when that cannot be compared, for the disk for instance */
  askAll(signal?: AbortSignal): Promise<Answers>
}

export function createInquiry(components: InquiryComponents, init: InquiryInit = {}): Inquiry {
  return new KeptInquiry(components, init)
}

class KeptInquiry implements Inquiry {
  readonly #components: InquiryComponents
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  readonly #retryPeriod: Milliseconds
  /** Connected nodes that have not answered, and how often they were asked. */
  readonly #silent = new Map<NodeId, number>()
  readonly #cleanup: (() => void)[] = []
  #answered = false

  constructor(components: InquiryComponents, { retryPeriod = RETRY_MS }: InquiryInit) {
    this.#components = components
    this.#retryPeriod = retryPeriod
  }

  async start(): Promise<void> {
    const { mesh, standing, timers } = this.#components
    standing.checkOwn()
    this.#cleanup.push(
      mesh.onPeer((peer, state) => {
        this.#silent.delete(peer)
        if (state === 'connected') this.#track(this.ask(peer))
      }),
      timers.every(this.#retryPeriod, () => {
        for (const peer of this.#silent.keys()) this.#track(this.ask(peer))
      }),
    )
    for (const peer of mesh.peers()) this.#track(this.ask(peer))
  }

  async stop(): Promise<void> {
    for (const clean of this.#cleanup.splice(0)) clean()
    this.#stopping.abort()
    await Promise.all(this.#running)
  }

  isAnswered(): boolean {
    return this.#answered
  }

  async ask(peer: NodeId, signal?: AbortSignal): Promise<boolean> {
    const kept = await this.#fetch(peer, signal)
    if (kept === undefined) {
      this.#count(peer)
      return false
    }
    let fits: boolean
    try {
      fits = this.#fits({ witness: peer, notes: kept })
    } catch (error) {
      // It answered, and nobody knows yet what that means here: asked again, as often as it takes.
      if (!this.#silent.has(peer) && this.#isConnected(peer)) this.#silent.set(peer, 0)
      throw error
    }
    this.#silent.delete(peer)
    this.#answered = true
    return fits
  }

  #count(peer: NodeId): void {
    const attempts = (this.#silent.get(peer) ?? 0) + 1
    if (attempts < ATTEMPTS && this.#isConnected(peer)) this.#silent.set(peer, attempts)
    else this.#silent.delete(peer)
    // Who never answers must not keep this node from working for others.
    if (attempts >= ATTEMPTS) this.#answered = true
  }

  async askAll(signal?: AbortSignal): Promise<Answers> {
    const peers = this.#components.mesh.peers().slice(0, ASKED)
    const answers = await Promise.all(
      peers.map(async (witness) => ({ witness, notes: await this.#fetch(witness, signal) })),
    )
    const answered = answers.flatMap(({ witness, notes }) =>
      notes === undefined ? [] : [{ witness, notes }],
    )
    const kept = answered.filter(({ notes }) => notes.length > 0)
    for (const answer of kept) this.#fits(answer)
    return { asked: peers.length, answered: answered.length, kept }
  }

  #isConnected(peer: NodeId): boolean {
    return this.#components.mesh.peers().includes(peer)
  }

  #fits({ witness, notes }: KeptNotes): boolean {
    const { standing, logger } = this.#components
    let fits = true
    for (const note of notes) {
      try {
        // Each, so that every alarm is known.
        fits = standing.judge(note, witness) && fits
      } catch (error) {
        // A disk that fails says nothing of the note: whoever asked must not take it for an answer.
        if (!SAYS_NOTHING.has(errorCode(error) ?? '')) throw error
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
    const done = work
      .catch((error: unknown) =>
        this.#components.logger.error({ error: errorText(error) }, 'a witness was not asked'),
      )
      .finally(() => this.#running.delete(done))
    this.#running.add(done)
  }
}
