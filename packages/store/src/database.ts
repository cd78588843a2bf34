import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { AskeeError } from '@askee/core'
import SQLite from 'better-sqlite3-multiple-ciphers'
import { asStoreError } from './encryption/integrity.ts'
import { SealedDatabase, type Sealing } from './encryption/sealed-database.ts'
import type { Fingerprint } from './generations/fingerprint.ts'

export type Database = SQLite

/** One numbered step of a schema; once released it never changes. */
export interface Migration {
  /** 1, 2, 3 … without gaps. */
  readonly version: number
  readonly sql: string
}

/**
 * Opens (or makes) a database and brings it to the newest schema, each migration in a transaction of its own.
 * Write-ahead log with full synchronisation: what a committed transaction holds survives kill -9 and loss of power.
 *
 * With `sealing` all of it is encrypted and authenticated; a plain database that stands there is refused. Before it
 * returns, every page has been authenticated: by the digest taken when it was closed, after a crash one by one.
 * @param path file, or `:memory:`, which is never sealed
 * @throws AskeeError `store/newer-schema` when the file was written by a later version, `store/damaged`; with `sealing` also
 * `store/wrong-key`, `store/swapped`, `store/rolled-back`, `store/not-encrypted`
 */
export function openDatabase(path: string, migrations: readonly Migration[], sealing?: Sealing): Database {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const database = open(path, sealing)
  try {
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.pragma('foreign_keys = ON')
    // Without it REPLACE deletes rows past the triggers that refuse deletion.
    database.pragma('recursive_triggers = ON')
    migrate(database, path, migrations)
  } catch (error) {
    database.close()
    throw asStoreError(path, error)
  }
  return database
}

/**
 * Judges what stands at a path as `openDatabase` would, and leaves its schema alone; what is accepted, or plain and to be
 * encrypted, is so after it.
 * @throws AskeeError as `openDatabase`, but for `store/newer-schema`
 */
export function checkDatabase(path: string, sealing: Sealing): void {
  open(path, sealing).close()
}

/**
 * The state of a sealed database, to be kept outside of this disk and given to `checkNotOlder` later.
 * @throws AskeeError `store/not-sealed`
 */
export function fingerprint(database: Database): Fingerprint {
  return sealed(database).fingerprint()
}

/**
 * Raises the generation of a sealed database: from now on a copy taken earlier is older. Two synchronised writes.
 * @throws AskeeError `store/not-sealed`, `store/in-transaction`
 */
export function advance(database: Database): Fingerprint {
  return sealed(database).advance()
}

/**
 * Compares a sealed database with a fingerprint that was kept elsewhere.
 * @throws AskeeError `store/rolled-back` when it is older, made anew or of another history; `store/swapped` when it is another
 * database; `store/not-sealed`
 */
export function checkNotOlder(database: Database, expected: Fingerprint): void {
  sealed(database).checkNotOlder(expected)
}

function sealed(database: Database): SealedDatabase {
  if (database instanceof SealedDatabase) return database
  throw new AskeeError('store/not-sealed', 'only a database opened with a key has generations')
}

function open(path: string, sealing: Sealing | undefined): Database {
  try {
    if (sealing === undefined || path === ':memory:') return new SQLite(path)
    return SealedDatabase.openFile(path, sealing)
  } catch (error) {
    throw asStoreError(path, error)
  }
}

function migrate(database: Database, path: string, migrations: readonly Migration[]): void {
  const current = database.pragma('user_version', { simple: true }) as number
  if (current > migrations.length) {
    throw new AskeeError(
      'store/newer-schema',
      `${path} has schema ${current}, this version knows up to ${migrations.length}: update Askee`,
      { path },
    )
  }
  migrations.forEach((migration, index) => {
    if (migration.version !== index + 1) {
      throw new AskeeError('store/migrations', `expected migration ${index + 1}, found ${migration.version}`)
    }
    if (migration.version <= current) return
    database.transaction(() => {
      database.exec(migration.sql)
      database.pragma(`user_version = ${migration.version}`)
    })()
  })
}
