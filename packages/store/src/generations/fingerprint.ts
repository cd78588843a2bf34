import { createHash } from 'node:crypto'
import { AskeeError, toHex } from '@askee/core'
import type SQLite from 'better-sqlite3-multiple-ciphers'

/** So many past generations are remembered inside a database: a fingerprint within them also tells a fork. */
const KEPT = 1_000

/** One state of one database. Small enough to be cosigned by peers with every checkpoint. */
export interface Fingerprint {
  readonly name: string
  /** 16 random bytes of the database's making, hexadecimal. */
  readonly epoch: string
  /** Raised by every opening, closing and `advance`. */
  readonly generation: number
  /** SHA-256 over the previous one and new entropy, hexadecimal: two histories never share it. */
  readonly digest: string
}

/** Makes the tables of the generations where they are missing; the first generation of a new database is 0. */
export function prepareGenerations(database: SQLite, name: string): void {
  database.transaction(() => {
    database.exec(`
      CREATE TABLE IF NOT EXISTS store_identity (
        one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, epoch BLOB NOT NULL
      ) STRICT;
      CREATE TABLE IF NOT EXISTS store_generations (generation INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS store_seen (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT;
      INSERT OR IGNORE INTO store_generations
        SELECT 0, randomblob(32) WHERE NOT EXISTS (SELECT 1 FROM store_generations);
    `)
    database.prepare('INSERT OR IGNORE INTO store_identity VALUES (1, ?, randomblob(16))').run(name)
  })()
}

/** Whether the database carries generations already. */
export function hasGenerations(database: SQLite): boolean {
  return database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'store_identity'").get() !== undefined
}

export function readFingerprint(database: SQLite): Fingerprint {
  const row = database
    .prepare(
      `SELECT name, epoch, generation, digest FROM store_identity, store_generations
       ORDER BY generation DESC LIMIT 1`,
    )
    .get() as { name: string; epoch: Uint8Array; generation: number; digest: Uint8Array }
  return { ...row, epoch: toHex(row.epoch), digest: toHex(row.digest) }
}

/** How often the file of generations had been written when the database last raised its own; 0 where it never said. */
export function seenCount(database: SQLite): number {
  const isThere = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'store_seen'").get()
  if (isThere === undefined) return 0
  return (database.prepare('SELECT count FROM store_seen').pluck().get() as number | undefined) ?? 0
}

/**
 * The next generation, in a transaction of its own.
 * @param count of the file of generations, which is on disk with it
 */
export function raiseGeneration(database: SQLite, count: number | undefined): Fingerprint {
  return database.transaction(() => {
    const last = readFingerprint(database)
    const entropy = database.prepare('SELECT randomblob(32)').pluck().get() as Uint8Array
    const generation = last.generation + 1
    const digest = createHash('sha256')
      .update(`askee/generation/1\n${JSON.stringify([last.name, last.epoch, generation, last.digest])}\n`)
      .update(entropy)
      .digest()
    database.prepare('INSERT INTO store_generations VALUES (?, ?)').run(generation, digest)
    database.prepare('DELETE FROM store_generations WHERE generation <= ?').run(generation - KEPT)
    if (count !== undefined) database.prepare('REPLACE INTO store_seen VALUES (1, ?)').run(count)
    return { ...last, generation, digest: toHex(digest) }
  })()
}

/**
 * Whether what is open is `expected` or comes after it.
 * @throws AskeeError `store/swapped` when it is another database, `store/rolled-back` when it is older, of another epoch or
 * of a history that left the expected one
 */
export function compareFingerprints(database: SQLite, path: string, expected: Fingerprint): void {
  const found = readFingerprint(database)
  const refuse = (code: 'store/rolled-back' | 'store/swapped', why: string): never => {
    throw new AskeeError(code, `${path} ${why}. Put the newest copy back.`, { path, expected, found })
  }
  if (found.name !== expected.name) refuse('store/swapped', `is "${found.name}", not "${expected.name}"`)
  if (found.epoch !== expected.epoch) refuse('store/rolled-back', 'was made anew since it was last seen')
  if (found.generation < expected.generation) {
    refuse('store/rolled-back', `is at generation ${found.generation}, older than ${expected.generation}`)
  }
  const digest = database
    .prepare('SELECT digest FROM store_generations WHERE generation = ?')
    .pluck()
    .get(expected.generation) as Uint8Array | undefined
  if (digest !== undefined && toHex(digest) !== expected.digest) {
    refuse('store/rolled-back', `left the history that was seen at generation ${expected.generation}`)
  }
}
