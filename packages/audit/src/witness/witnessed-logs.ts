import type { Milliseconds, NodeId, Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import type { SignedCheckpoint } from '../checkpoint.ts'
import type { Tenant } from './admission.ts'

/** What is kept of one log of one node. */
export interface WitnessedLog {
  readonly log: string
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
  readonly beginning: Uint8Array | null
  /** Since when a newer log of the node says that this one is over. */
  readonly ended: Timestamp | null
}

/** The logs that are watched here, on disk. */
export class WitnessedLogs {
  readonly #database: Database

  /** @param database with `WITNESS_MIGRATIONS` */
  constructor(database: Database) {
    this.#database = database
  }

  /** Those of a node, the newest first. */
  of(node: NodeId): WitnessedLog[] {
    return this.#database
      .prepare(
        `SELECT log, size, root, note, beginning, ended FROM witnessed_logs WHERE node = ?
         ORDER BY ended IS NULL DESC, first DESC, last DESC`,
      )
      .all(node) as WitnessedLog[]
  }

  tenants(): Tenant[] {
    return this.#database
      .prepare('SELECT node, min(first) AS first, max(last) AS last FROM witnessed_logs GROUP BY node')
      .all() as Tenant[]
  }

  /** From the first to the last checkpoint of it that was cosigned here; 0 when there is none. */
  tenureOf(node: NodeId): Milliseconds {
    const tenure = this.#database.prepare('SELECT max(last) - min(first) FROM witnessed_logs WHERE node = ?')
    return (tenure.pluck().get(node) as number | null) ?? 0
  }

  /** A checkpoint of a log that is watched already. */
  update({ origin, log, size, root, note }: SignedCheckpoint, now: Timestamp): void {
    this.#database
      .prepare('UPDATE witnessed_logs SET size = ?, root = ?, note = ?, last = ? WHERE node = ? AND log = ?')
      .run(size, root, note, now, origin, log)
  }

  /** The first checkpoint of a log; the others of the node end with it. */
  add(checkpoint: SignedCheckpoint, beginning: Uint8Array, now: Timestamp): void {
    const { origin, log, size, root, note } = checkpoint
    this.#database.transaction(() => {
      this.#database
        .prepare('UPDATE witnessed_logs SET ended = ? WHERE node = ? AND ended IS NULL')
        .run(now, origin)
      this.#database
        .prepare('INSERT INTO witnessed_logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)')
        .run(origin, log, size, root, note, beginning, now, now)
    })()
  }

  remove(node: NodeId, log?: string): void {
    if (log === undefined) this.#database.prepare('DELETE FROM witnessed_logs WHERE node = ?').run(node)
    else this.#database.prepare('DELETE FROM witnessed_logs WHERE node = ? AND log = ?').run(node, log)
  }
}
