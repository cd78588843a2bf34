import {
  AskeeError,
  decode,
  encode,
  errorText,
  type Logger,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type Startable,
  type Timers,
} from '@askee/core'
import { type Evidence, evidenceDigest, MAX_EVIDENCE_BYTES, openEvidence } from './evidence.ts'
import type { EvidenceBook } from './evidence-book.ts'
import { EVIDENCE_LIMITS, EVIDENCE_PROTOCOL, evidenceAnswerSchema } from './protocol.ts'

/** Proofs told to a peer that connects; the newest concern the most. */
const TOLD_AT_ONCE = 8
/** Whom nothing could be told, a node that has only just started perhaps, is told after this. */
const RETRY_MS = 30_000
/** Pairs of peer and proof remembered as told. */
const MAX_TOLD = 10_000

export interface EvidenceExchangeComponents {
  readonly mesh: Mesh
  readonly book: EvidenceBook
  readonly timers: Timers
  readonly logger: Logger
}

export interface EvidenceExchangeInit {
  readonly retryPeriod?: Milliseconds
}

/**
 * Tells connected peers, the log's owner among them, of every proof that a log has two histories, and takes theirs: verified from its bytes alone, and never
 * on anybody's word. What is new here is told on, so that it reaches the log's other witnesses.
 */
export function createEvidenceExchange(
  { mesh, book, timers, logger }: EvidenceExchangeComponents,
  { retryPeriod = RETRY_MS }: EvidenceExchangeInit = {},
): Startable {
  const told = new Set<string>()
  const cleanup: (() => void)[] = []
  const stopping = new AbortController()
  const running = new Set<Promise<void>>()

  const tell = async (peer: NodeId, evidence: Evidence): Promise<void> => {
    const key = `${peer}/${evidenceDigest(evidence)}`
    if (told.has(key)) return
    if (told.size >= MAX_TOLD) told.clear()
    told.add(key)
    try {
      const { signal } = stopping
      const bytes = await mesh.request(peer, EVIDENCE_PROTOCOL, evidence.bytes, { signal })
      decode(bytes, evidenceAnswerSchema, EVIDENCE_LIMITS.maxResponseBytes)
    } catch (error) {
      told.delete(key)
      logger.debug({ peer, error: errorText(error) }, 'a peer did not take evidence')
    }
  }
  const track = (work: Promise<void>): void => {
    const done = work
      .catch((error: unknown) => logger.error({ error: errorText(error) }, 'evidence could not be read'))
      .finally(() => running.delete(done))
    running.add(done)
  }
  const tellAll = async (peers: readonly NodeId[]): Promise<void> => {
    const newest = peers.length === 0 ? [] : book.list(TOLD_AT_ONCE)
    for (const evidence of newest) for (const peer of peers) await tell(peer, evidence)
  }

  return {
    async start() {
      cleanup.push(
        mesh.handle(EVIDENCE_PROTOCOL, EVIDENCE_LIMITS, async ({ from, body }) => {
          if (body.byteLength > MAX_EVIDENCE_BYTES) {
            throw new AskeeError('audit/evidence', `evidence has at most ${MAX_EVIDENCE_BYTES} bytes`)
          }
          return encode({ state: book.add(openEvidence(body), from) })
        }),
        book.onNew((evidence) => {
          for (const peer of mesh.peers()) if (peer !== evidence.source) track(tell(peer, evidence))
        }),
        mesh.onPeer((peer, state) => {
          if (state === 'connected') track(tellAll([peer]))
        }),
        timers.every(retryPeriod, () => track(tellAll(mesh.peers()))),
      )
      track(tellAll(mesh.peers()))
    },
    async stop() {
      for (const clean of cleanup.splice(0)) clean()
      stopping.abort()
      await Promise.all(running)
    },
  }
}
