import { createHash } from 'node:crypto'
import { type AuditSink, concat, encode } from '@askee/core'
import type { Database } from '@askee/store'

/**
 * Writes acts into a table of their own that only grows, with the leaf hash that RFC 6962 gives them: stands in where there
 * is no Merkle log. It proves nothing to others.
 * @param database with `CONSENT_MIGRATIONS`
 */
export function createTableAuditSink(database: Database): AuditSink {
  database.exec(`
    CREATE TABLE IF NOT EXISTS acts (sequence INTEGER PRIMARY KEY AUTOINCREMENT, leaf TEXT NOT NULL, act BLOB NOT NULL) STRICT;
    CREATE TRIGGER IF NOT EXISTS acts_keep BEFORE UPDATE ON acts BEGIN SELECT RAISE (ABORT, 'acts are append-only'); END;
    CREATE TRIGGER IF NOT EXISTS acts_stay BEFORE DELETE ON acts BEGIN SELECT RAISE (ABORT, 'acts are append-only'); END;
  `)
  const insert = database.prepare('INSERT INTO acts (leaf, act) VALUES (?, ?)')
  return {
    append: async (event) => {
      const act = encode(event)
      const leaf = createHash('sha256')
        .update(concat(Uint8Array.of(0), act))
        .digest('hex')
      return { index: Number(insert.run(leaf, act).lastInsertRowid) - 1, leaf }
    },
  }
}
