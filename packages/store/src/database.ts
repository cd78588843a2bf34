import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { AskeeError } from '@askee/core'
import SQLite from 'better-sqlite3-multiple-ciphers'

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
 * @param path file, or `:memory:`
 * @throws AskeeError `store/newer-schema` when the file was written by a later version, `store/damaged`
 */
export function openDatabase(path: string, migrations: readonly Migration[]): Database {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const database = open(path)
  try {
    database.pragma('journal_mode = WAL')
    database.pragma('synchronous = FULL')
    database.pragma('foreign_keys = ON')
    migrate(database, path, migrations)
  } catch (error) {
    database.close()
    throw asStoreError(path, error)
  }
  return database
}

function open(path: string): Database {
  try {
    return new SQLite(path)
  } catch (error) {
    throw asStoreError(path, error)
  }
}

function asStoreError(path: string, error: unknown): unknown {
  if (error instanceof AskeeError) return error
  const code = (error as { code?: string }).code ?? ''
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) {
    return new AskeeError(
      'store/damaged',
      `${path} is not a database or is damaged`,
      { path },
      { cause: error },
    )
  }
  return error
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
