import type { Clock, NodeId, Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import { type Evidence, openEvidence } from './evidence.ts'
import { tokenBucket } from './token-bucket.ts'

/** Proofs kept at most; 16 KiB each. */
const MAX_EVIDENCE = 1_000
/**
 * Proofs about nodes that this one has nothing to do with: whoever makes up nodes can convict them himself, and so fill disks
 * and lines with truths that concern nobody.
 */
const STRANGERS = { burst: 10, perSecond: 1 / 60 }

/** A proof as it stands here. */
export interface KeptEvidence extends Evidence {
  /** Who told it; the own id for what was found here. */
  readonly source: NodeId
  readonly at: Timestamp
}

export interface EvidenceBookComponents {
  /** With `WITNESS_MIGRATIONS`. */
  readonly database: Database
  readonly clock: Clock
  /** A node whose log is watched here, or with which this node has to do. */
  readonly concerns: (node: NodeId) => boolean
  /** The own node: what speaks against the log that it writes now is taken whatever is known already. */
  readonly self?: NodeId
}

export interface EvidenceBookInit {
  readonly limit?: number
}

/** Proofs that logs have two histories, on disk. */
export interface EvidenceBook {
  /** Takes verified evidence; a listener hears of what is new. */
  add(evidence: Evidence, source: NodeId): 'new' | 'known' | 'full'
  /** Whether this log is known to have two histories, or so many of its node's are that none counts. */
  has(node: NodeId, log: string): boolean
  /** The newest first. */
  list(count?: number): KeptEvidence[]
  /** All about one node, the newest first. */
  of(node: NodeId): KeptEvidence[]
  /** What was not written down elsewhere yet, oldest first: a crash may have come in between. */
  untold(): KeptEvidence[]
  /** It is written down elsewhere, or need not be. */
  markTold(evidence: Evidence): void
  /** The returned function ends it. */
  onNew(listener: (evidence: KeptEvidence) => void): () => void
}

/**
 * Proofs kept of one node. It can make up names of logs and contradict itself under each, to fill this table and everybody's audit log;
 * after so many none of its logs is believed, whatever its name.
 */
const MAX_PER_NODE = 4

export function createEvidenceBook(
  { database, clock, concerns, self }: EvidenceBookComponents,
  { limit = MAX_EVIDENCE }: EvidenceBookInit = {},
): EvidenceBook {
  const listeners = new Set<(evidence: KeptEvidence) => void>()
  const mayAdd = tokenBucket(clock, STRANGERS)
  const countOf = (node: NodeId): number =>
    (database.prepare('SELECT count(*) AS n FROM evidence WHERE node = ?').get(node) as { n: number }).n
  const isThere = (node: NodeId, log: string): boolean =>
    database.prepare('SELECT 1 FROM evidence WHERE node = ? AND log = ?').get(node, log) !== undefined
  const has = (node: NodeId, log: string): boolean => isThere(node, log) || countOf(node) >= MAX_PER_NODE
  const read = (where: string, ...values: readonly (string | number)[]): KeptEvidence[] => {
    const rows = database.prepare(`SELECT bytes, source, at FROM evidence ${where}`).all(...values) as {
      bytes: Uint8Array
      source: NodeId
      at: Timestamp
    }[]
    return rows.map(({ bytes, source, at }) => ({ ...openEvidence(Uint8Array.from(bytes)), source, at }))
  }
  /** So that a proof against the log of now finds its place beside those against logs that the owner ended. */
  const forgetOldestOwn = (): void => {
    database
      .prepare(
        `DELETE FROM evidence WHERE node = ? AND log =
           (SELECT log FROM evidence WHERE node = ? ORDER BY at LIMIT 1)`,
      )
      .run(self, self)
  }

  /** Room for one more; what concerns nobody here goes first, the oldest of it. */
  const makeRoom = (isConcerning: boolean): boolean => {
    const rows = database.prepare('SELECT node, log FROM evidence ORDER BY at').all() as {
      node: NodeId
      log: string
    }[]
    if (rows.length < limit) return true
    // A second proof goes before anybody's only one: nobody buys room by contradicting himself again.
    const spare = (): (typeof rows)[number] | undefined =>
      rows.find(({ node }) => countOf(node) > 1) ?? rows[0]
    const victim = rows.find(({ node }) => !concerns(node)) ?? (isConcerning ? spare() : undefined)
    if (victim === undefined) return false
    database.prepare('DELETE FROM evidence WHERE node = ? AND log = ?').run(victim.node, victim.log)
    return true
  }

  return {
    add(evidence, source) {
      const { node, log, bytes } = evidence
      if (node === self ? isThere(node, log) : has(node, log)) return 'known'
      const isConcerning = concerns(node)
      if (!isConcerning && !mayAdd()) return 'full'
      const at = clock.now()
      const added = database.transaction(() => {
        if (node === self && countOf(node) >= MAX_PER_NODE) forgetOldestOwn()
        if (!makeRoom(isConcerning)) return false
        database
          .prepare('INSERT INTO evidence (node, log, bytes, source, at, told) VALUES (?, ?, ?, ?, ?, 0)')
          .run(node, log, bytes, source, at)
        return true
      })()
      if (!added) return 'full'
      for (const listener of listeners) listener({ ...evidence, source, at })
      return 'new'
    },
    has,
    list: (count = limit) => read('ORDER BY at DESC LIMIT ?', count),
    of: (node) => read('WHERE node = ? ORDER BY at DESC', node),
    untold: () => read('WHERE told = 0 ORDER BY at'),
    markTold({ node, log }) {
      database.prepare('UPDATE evidence SET told = 1 WHERE node = ? AND log = ?').run(node, log)
    },
    onNew(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
