import { AskeeError } from '@askee/core'
import type SQLite from 'better-sqlite3-multiple-ciphers'

/**
 * Reads every page in use, so that each is authenticated, and compares tables with their indices.
 * @throws AskeeError `store/damaged` naming the file
 */
export function checkIntegrity(database: SQLite, path: string): void {
  const found = database.pragma('integrity_check(1)', { simple: true })
  if (found !== 'ok') throw damaged(path, `its contents do not fit together: ${found}`)
}

/** A file that cannot be used as it is. */
export function damaged(path: string, why: string, cause?: unknown): AskeeError {
  return new AskeeError(
    'store/damaged',
    `${path} is damaged: ${why}. Restore it from a backup.`,
    { path },
    { cause },
  )
}

/** The driver's errors that mean damage, under the store's own code; all others as they are. */
export function asStoreError(path: string, error: unknown): unknown {
  if (error instanceof AskeeError) return error
  const code = (error as { code?: string }).code ?? ''
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_IOERR_SHORT_READ') {
    return damaged(path, 'it is no database, or its pages do not authenticate', error)
  }
  return error
}
