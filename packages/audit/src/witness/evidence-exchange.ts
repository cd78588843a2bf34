import {
  AskeeError,
  decode,
  encode,
  errorText,
  type Logger,
  type Mesh,
  type NodeId,
  type Startable,
} from '@askee/core'
import { type Evidence, evidenceDigest, MAX_EVIDENCE_BYTES, openEvidence } from './evidence.ts'
import type { EvidenceBook } from './evidence-book.ts'
import { EVIDENCE_LIMITS, EVIDENCE_PROTOCOL, evidenceAnswerSchema } from './protocol.ts'

/** Proofs told to a peer that connects; the newest concern the most. */
const TOLD_AT_ONCE = 8
/** Pairs of peer and proof remembered as told. */
const MAX_TOLD = 10_000

export interface EvidenceExchangeComponents {
  readonly mesh: Mesh
  readonly book: EvidenceBook
  readonly logger: Logger
}

/**
 * Tells connected peers of every proof that a log has two histories, and takes theirs: verified from its bytes alone, and never
 * on anybody's word. What is new here is told on, so that it reaches the log's other witnesses.
 */
export function createEvidenceExchange({ mesh, book, logger }: EvidenceExchangeComponents): Startable {
  const told = new Set<string>()
  const cleanup: (() => void)[] = []
  const stopping = new AbortController()
  const running = new Set<Promise<void>>()

  const tell = async (peer: NodeId, evidence: Evidence): Promise<void> => {
    const key = `${peer}/${evidenceDigest(evidence)}`
    if (told.has(key) || peer === evidence.node) return
    if (told.size >= MAX_TOLD) told.clear()
    told.add(key)
    try {
      const { signal } = stopping
      const bytes = await mesh.request(peer, EVIDENCE_PROTOCOL, evidence.bytes, { signal })
      decode(bytes, evidenceAnswerSchema, EVIDENCE_LIMITS.maxResponseBytes)
    } catch (error) {
      // The next connection is the next chance.
      told.delete(key)
      logger.debug({ peer, error: errorText(error) }, 'a peer did not take evidence')
    }
  }
  const track = (work: Promise<void>): void => {
    running.add(work)
    void work.finally(() => running.delete(work))
  }
  const tellAll = async (peer: NodeId): Promise<void> => {
    for (const evidence of book.list(TOLD_AT_ONCE)) await tell(peer, evidence)
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
          if (state === 'connected') track(tellAll(peer))
        }),
      )
      for (const peer of mesh.peers()) track(tellAll(peer))
    },
    async stop() {
      for (const clean of cleanup.splice(0)) clean()
      stopping.abort()
      await Promise.all(running)
    },
  }
}
