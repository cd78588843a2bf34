import { AskeeError, type Timestamp } from '@askee/core'
import type { Database } from './database.ts'

const NAME = /^[a-z][a-z0-9_]{0,62}$/
const MAX_REASON = 500

/** A purge that was carried out. */
export interface PurgeRecord {
  readonly sequence: number
  readonly table: string
  readonly reason: string
  readonly rows: number
  readonly at: Timestamp
}

/**
 * SQL for a migration, after the table was made: from then on rows of it can be added and read; `UPDATE`, `DELETE` and
 * `REPLACE` are refused, but for `purge`. This holds off mistakes, not somebody who can drop triggers.
 * @param table lower-case letters, digits and underscores
 */
export function appendOnly(table: string): string {
  checkName(table)
  return `
    CREATE TABLE IF NOT EXISTS store_purge_permits (table_name TEXT PRIMARY KEY) STRICT;
    CREATE TABLE IF NOT EXISTS store_purges (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      table_name TEXT NOT NULL, reason TEXT NOT NULL, rows INTEGER NOT NULL, at INTEGER NOT NULL
    ) STRICT;
    ${refusal('store_purges', 'UPDATE', 'TRUE')}
    ${refusal('store_purges', 'DELETE', 'TRUE')}
    ${refusal(table, 'UPDATE', 'TRUE')}
    ${refusal(table, 'DELETE', `NOT EXISTS (SELECT 1 FROM store_purge_permits WHERE table_name = '${table}')`)}
  `
}

/**
 * Deletes rows of an append-only table, and writes down that it did, in one transaction.
 * @param where SQL over the table's columns, from the program and never from outside; its values in `parameters`
 * @param reason 1 to 500 characters, without personal data: it is kept for ever
 * @returns how many rows went
 * @throws AskeeError `store/purge`
 */
export function purge(
  database: Database,
  order: { table: string; where: string; parameters: readonly unknown[]; reason: string; at: Timestamp },
): number {
  const { table, where, parameters, reason, at } = order
  checkName(table)
  if (reason.length === 0 || reason.length > MAX_REASON) {
    throw new AskeeError('store/purge', `a purge needs a reason of 1 to ${MAX_REASON} characters`, { table })
  }
  return database.transaction(() => {
    database.prepare('INSERT INTO store_purge_permits VALUES (?)').run(table)
    const { changes } = database.prepare(`DELETE FROM "${table}" WHERE ${where}`).run(...parameters)
    database.prepare('DELETE FROM store_purge_permits').run()
    database
      .prepare('INSERT INTO store_purges (table_name, reason, rows, at) VALUES (?, ?, ?, ?)')
      .run(table, reason, changes, at)
    return changes
  })()
}

/** All purges of a database, oldest first. */
export function purges(database: Database): PurgeRecord[] {
  return database
    .prepare('SELECT sequence, table_name AS "table", reason, rows, at FROM store_purges ORDER BY sequence')
    .all() as PurgeRecord[]
}

function refusal(table: string, act: 'UPDATE' | 'DELETE', when: string): string {
  return `
    CREATE TRIGGER IF NOT EXISTS ${table}_refuses_${act.toLowerCase()} BEFORE ${act} ON ${table} WHEN ${when}
    BEGIN SELECT RAISE(ABORT, '${table} is append-only'); END;`
}

function checkName(table: string): void {
  if (NAME.test(table)) return
  throw new AskeeError('store/purge', `expected a table's name like "acts", received "${table}"`)
}
