import type { NodeId, Timestamp } from '@askee/core'
import { type Database, purge } from '@askee/store'
import { openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Older than this, two a thirty days prove when something was written: some 24 a year. */
const DAYS_KEPT = 400
const PERIOD_MS = 30 * DAY_MS
/** A peer that cosigned before so many others since is asked what it knows, as every new one is. */
const WITNESSES_KEPT = 64

/**
 * As far as it is looked back for what a witness knows: all cosignatures of years would be read every few seconds. Who cosigned
 * before that says itself what it keeps.
 */
const RECENT_COSIGNATURES = 'SELECT size, witness FROM audit_cosignatures ORDER BY size DESC LIMIT 1000'

export interface NoteRow {
  readonly size: number
  readonly note: string
}

/** The checkpoints of this node's log and their cosignatures, on disk. */
export class Checkpoints {
  readonly #database: Database

  /** @param database the log's own */
  constructor(database: Database) {
    this.#database = database
  }

  newest(): NoteRow | undefined {
    const select = this.#database.prepare(
      'SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1',
    )
    return select.get() as NoteRow | undefined
  }

  /** The newest of at least `size` entries that somebody cosigned, else the newest at all of that many. */
  covering(size: number): SignedCheckpoint | undefined {
    const row = this.#database
      .prepare(
        `SELECT size, note FROM audit_checkpoints WHERE size >= ?
         ORDER BY size IN (SELECT size FROM audit_cosignatures) DESC, size DESC LIMIT 1`,
      )
      .get(size) as NoteRow | undefined
    return row === undefined ? undefined : this.open(row)
  }

  /** The newest that somebody cosigned. */
  cosigned(): SignedCheckpoint | undefined {
    const row = this.#database
      .prepare(
        `SELECT size, note FROM audit_checkpoints WHERE size = (SELECT max(size) FROM audit_cosignatures)`,
      )
      .get() as NoteRow | undefined
    const checkpoint = row === undefined ? undefined : this.open(row)
    return checkpoint?.cosignatures.length === 0 ? undefined : checkpoint
  }

  /** With the cosignatures that there are. */
  open({ size, note }: NoteRow): SignedCheckpoint {
    const lines = this.#database.prepare('SELECT line FROM audit_cosignatures WHERE size = ?').pluck()
    return openCheckpoint(note + (lines.all(size) as string[]).join(''))
  }

  add(size: number, at: Timestamp, note: string): void {
    this.#database.prepare('INSERT INTO audit_checkpoints VALUES (?, ?, ?)').run(size, at, note)
  }

  addCosignature(size: number, witness: NodeId, line: string): void {
    this.#database
      .prepare('INSERT OR IGNORE INTO audit_cosignatures VALUES (?, ?, ?)')
      .run(size, witness, line)
  }

  witnessesOf(size: number): NodeId[] {
    const select = this.#database.prepare('SELECT witness FROM audit_cosignatures WHERE size = ?').pluck()
    return select.all(size) as NodeId[]
  }

  recentWitnesses(): NodeId[] {
    const select = this.#database.prepare(`SELECT DISTINCT witness FROM (${RECENT_COSIGNATURES})`).pluck()
    return select.all() as NodeId[]
  }

  /** The largest size that the peer cosigned; 0 when none. */
  lastCosignedBy(peer: NodeId): number {
    const select = this.#database
      .prepare(`SELECT max(size) FROM (${RECENT_COSIGNATURES}) WHERE witness = ?`)
      .pluck()
    return (select.get(peer) as number | null) ?? 0
  }

  /**
   * Deletes the checkpoints that later ones make superfluous. What stays: all of the last hour, the newest, the newest that was
   * cosigned, the last that each of the newest `WITNESSES_KEPT` witnesses cosigned (whoever cosigns makes up how many ids they
   * are), and the last and the last cosigned of every day (UTC), of those older than `DAYS_KEPT` days of every thirty days.
   * @returns how many went
   */
  prune(now: Timestamp): number {
    const period = `CASE WHEN at >= ${now - DAYS_KEPT * DAY_MS} THEN at / ${DAY_MS} ELSE -1 - at / ${PERIOD_MS} END`
    const gone = `at < ?
      AND size NOT IN (SELECT max(size) FROM audit_checkpoints)
      AND size NOT IN (
        SELECT max(size) FROM audit_cosignatures GROUP BY witness ORDER BY max(size) DESC LIMIT ${WITNESSES_KEPT}
      )
      AND size NOT IN (SELECT max(size) FROM audit_checkpoints GROUP BY ${period})
      AND size NOT IN (
        SELECT max(size) FROM audit_checkpoints WHERE size IN (SELECT size FROM audit_cosignatures) GROUP BY ${period}
      )`
    const database = this.#database
    const before = now - HOUR_MS
    const count = database.prepare(`SELECT count(*) FROM audit_checkpoints WHERE ${gone}`).pluck().get(before)
    if (count === 0) return 0
    return database.transaction(() => {
      const order = { reason: 'superfluous checkpoints', at: now }
      const rows = purge(database, {
        ...order,
        table: 'audit_checkpoints',
        where: gone,
        parameters: [before],
      })
      const where = 'size NOT IN (SELECT size FROM audit_checkpoints)'
      purge(database, { ...order, table: 'audit_cosignatures', where, parameters: [] })
      return rows
    })()
  }
}
