import type { Timestamp } from '@askee/core'
import type { Database } from '../database.ts'

/**
 * Keys that do not open are put here instead of holding up all others: nothing of them is lost. Made with the vault, as the vault's
 * migrations stand before those of others in one schema, whose numbers must not move.
 */
const TABLE = `
  CREATE TABLE IF NOT EXISTS vault_damaged (
    kid BLOB PRIMARY KEY, subject TEXT NOT NULL, epoch TEXT NOT NULL, wrapped BLOB NOT NULL, at INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0 -- whether it was written down elsewhere
  ) STRICT;
  CREATE INDEX IF NOT EXISTS vault_damaged_by_subject ON vault_damaged (subject);
  CREATE INDEX IF NOT EXISTS vault_damaged_untold ON vault_damaged (at, kid) WHERE told = 0;
`

/** A data key whose row was changed, or whose epoch is gone. What was sealed with it cannot be opened. */
export interface DamagedKey {
  readonly kid: Uint8Array
  readonly subject: string
  /** When it was found. */
  readonly at: Timestamp
}

/** The keys that were set aside. */
export class DamagedKeys {
  readonly #database: Database

  constructor(database: Database) {
    database.exec(TABLE)
    this.#database = database
  }

  setAside(kid: Uint8Array, at: Timestamp): void {
    this.#database
      .prepare(
        `INSERT OR REPLACE INTO vault_damaged (kid, subject, epoch, wrapped, at)
         SELECT kid, subject, epoch, wrapped, ? FROM vault_keys WHERE kid = ?`,
      )
      .run(at, kid)
    this.#database.prepare('DELETE FROM vault_keys WHERE kid = ?').run(kid)
  }

  /** The oldest of which nobody was told yet. */
  untold(limit: number): DamagedKey[] {
    return this.#database
      .prepare('SELECT kid, subject, at FROM vault_damaged WHERE told = 0 ORDER BY at, kid LIMIT ?')
      .all(limit) as DamagedKey[]
  }

  told(kid: Uint8Array): void {
    this.#database.prepare('UPDATE vault_damaged SET told = 1 WHERE kid = ?').run(kid)
  }

  has(kid: Uint8Array): boolean {
    return this.#database.prepare('SELECT 1 FROM vault_damaged WHERE kid = ?').get(kid) !== undefined
  }

  /** @returns the keys that went with their subject */
  erase(subject: string): Uint8Array[] {
    return this.#database
      .prepare('DELETE FROM vault_damaged WHERE subject = ? RETURNING kid')
      .pluck()
      .all(subject) as Uint8Array[]
  }
}
